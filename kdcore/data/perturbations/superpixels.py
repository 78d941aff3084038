"""Superpixels: areas of one colour that follow the image's contours, so that shape stays and texture is lost."""

import numpy as np
import torch

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, like
from kdcore.data.perturbations.resampling import scale

MOST = 200  # segments of an image of 32 pixels, of five pixels each
COMPACTNESS = 10.0  # of colour against distance; scikit-image's default


class Superpixels(Perturbation):
    """SLIC of scikit-image (10 iterations, compactness 10, no smoothing), then the average colour of each segment.

    The number of segments is for images of 32 pixels and grows with the side of others: as many for each part of the image's
    contour. At 224 pixels the usual 50 are 350, each of 143 pixels.
    """

    title = "Superpixels"
    summary = "Segments of one colour along the image's contours: shape stays, texture is lost."
    probes = "texture"
    parameter = "segments (of an image of 32 pixels)"
    strengths = (100, 50, 25)
    usual = 50
    source = "Achanta et al., TPAMI 2012, https://doi.org/10.1109/TPAMI.2012.120; scikit-image"
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 2, MOST, "The number of superpixels")
        count = round(strength * scale(clean.images))
        pixels = clean.images.permute(0, 2, 3, 1).float().cpu().numpy()
        found = np.stack([segmented(image, count) for image in pixels])
        return Perturbed(like(torch.from_numpy(found).to(clean.images.device).permute(0, 3, 1, 2), clean.images))


def segmented(image: np.ndarray, count: int) -> np.ndarray:
    """An image [H, W, 3] in [0, 1] with about `count` segments of their average colour."""
    from skimage.segmentation import slic  # takes a second to import

    segments = slic(image, n_segments=count, compactness=COMPACTNESS, sigma=0, start_label=0).ravel()
    sizes = np.maximum(np.bincount(segments), 1)
    means = [np.bincount(segments, weights=channel.ravel()) / sizes for channel in np.moveaxis(image, 2, 0)]
    return np.stack([mean[segments].reshape(image.shape[:2]) for mean in means], axis=2).astype(np.float32)
