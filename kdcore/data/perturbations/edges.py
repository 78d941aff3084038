"""Edges: black lines on white, of the object's outline where a mask is known, else of the image, by Canny's operator.

The thresholds follow each image as in MATLAB, with which Geirhos et al. made their edges: 70 % of the pixels lie below
the upper one, and the lower one is 0.4 of it.
"""

import cv2
import numpy as np
import torch

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, like

NO_EDGES, LOWER = 0.7, 0.4  # share of pixels below the upper threshold; the lower one, as a share of it
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
SCALE = 4000  # from [0, 1] to whole numbers; Sobel's sums are up to four times as large, and OpenCV takes 16 bits


class Edges(Perturbation):
    """Canny's operator (1986) in OpenCV on the CPU; the smoothing before it is the strength."""

    title = "Edges"
    summary = "Thin black lines on white instead of areas: the shape's lines stay, texture and colour are lost."
    probes = "shape"
    parameter = "smoothing (standard deviation in pixels)"
    strengths = (0.5, 1, 2)
    usual = 1
    source = "Canny, PAMI 1986, https://doi.org/10.1109/TPAMI.1986.4767851; as in Geirhos et al., https://arxiv.org/abs/1811.12231"
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0.3, 8, "The smoothing of edges")
        if clean.masks is None:
            weights = torch.tensor(GREY, device=clean.images.device, dtype=clean.images.dtype)
            grey = (clean.images * weights[:, None, None]).sum(dim=1)
        else:
            grey = clean.masks.to(clean.images.dtype)
        found = np.stack([lines(each, strength) for each in grey.float().cpu().numpy()])
        white = torch.from_numpy(~found).to(clean.images.device, clean.images.dtype)
        return Perturbed(like(white[:, None].expand(-1, 3, -1, -1), clean.images))


def lines(grey: np.ndarray, sigma: float) -> np.ndarray:
    """The edges of a grey image: float32 [H, W] in [0, 1] -> bool [H, W]."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) * SCALE
    across, down = (
        np.rint(cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, borderType=cv2.BORDER_REPLICATE)).astype(np.int16)
        for dx in (1, 0)
    )
    strong = np.hypot(across.astype(np.float32), down.astype(np.float32))
    upper = float(np.quantile(strong, NO_EDGES))
    if not upper:  # more than 70 % of the pixels have no gradient at all
        upper = float(strong.max()) * LOWER
    found: np.ndarray = cv2.Canny(across, down, LOWER * upper, max(upper, 1.0), L2gradient=True) > 0
    return found
