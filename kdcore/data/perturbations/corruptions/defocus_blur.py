"""Defocus blur: the image convolved with a disk, as of a lens out of focus."""

import math

import numpy as np

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

DISKS = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))  # radius, and sigma that softens its edge; pixels
SMALLEST = 1e-7  # singular values below contribute nothing


class DefocusBlur(Perturbation):
    title = "Defocus blur"
    summary = "The image convolved with a soft disk, as through a lens out of focus."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        radius, sigma = at_severity(DISKS, strength, "defocus blur")
        kernel = disk(radius * resampling.scale(clean.images), sigma)
        images, (height, width) = clean.images.contiguous(), clean.images.shape[2:]
        first, *others = (
            resampling.applied(
                images, resampling.mirrored_matrix(height, down), resampling.mirrored_matrix(width, across)
            )
            for down, across in separated(kernel)
        )
        for each in others:
            first += each
        return Perturbed(finished(first, clean.images))


def separated(kernel: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of columns and rows whose outer products sum to the kernel, by singular values."""
    left, values, right = np.linalg.svd(kernel)
    return [(left[:, k] * value, right[k]) for k, value in enumerate(values) if value > SMALLEST]


def disk(radius: float, sigma: float) -> np.ndarray:
    """The kernel, [k, k] with k odd: a disk of 0 and 1, scaled to sum 1 and blurred over 3 x 3 pixels (5 x 5 above radius 8)."""
    reach, soft = math.floor(radius), 1 if radius <= 8 else 2
    places = np.arange(-reach - soft, reach + soft + 1)
    hard = (places[:, None] ** 2 + places[None, :] ** 2 <= radius**2).astype(np.float64)
    weights = np.exp(-(np.arange(-soft, soft + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    rows = np.apply_along_axis(np.convolve, 0, hard / hard.sum(), weights, "same")
    return np.apply_along_axis(np.convolve, 1, rows, weights, "same")
