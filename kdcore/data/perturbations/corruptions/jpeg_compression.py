"""JPEG compression at low quality."""

import io

import numpy as np
import torch
from PIL import Image

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import levels, like, unit

QUALITIES = (80, 65, 58, 50, 40)


class JpegCompression(Perturbation):
    title = "JPEG compression"
    summary = "The blocks and rings of JPEG at a low quality."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        quality = at_severity(QUALITIES, strength, "JPEG compression")
        pixels = levels(clean.images).permute(0, 2, 3, 1).cpu().numpy()
        found = torch.from_numpy(np.stack([compressed(image, quality) for image in pixels]))
        return Perturbed(like(unit(found.to(clean.images.device).permute(0, 3, 1, 2)), clean.images))


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """A uint8 image [H, W, 3] compressed and decompressed by Pillow, with its usual chroma subsampling."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
