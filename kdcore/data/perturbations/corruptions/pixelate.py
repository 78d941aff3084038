"""Pixelate: the image made smaller and enlarged again with a box filter."""

import torch
from torch import Tensor

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, like

FACTORS = (0.95, 0.9, 0.85, 0.75, 0.65)  # of the side
SMALL = 1e-4  # levels; sums of 32-bit floats differ by less from a half


class Pixelate(Perturbation):
    title = "Pixelation"
    summary = "Fewer pixels: the image made smaller, and enlarged again without smoothing."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    channels_first = True
    at_levels = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factor = at_severity(FACTORS, strength, "pixelation")
        height, width = clean.images.shape[2:]
        low, narrow = (max(1, int(side * factor)) for side in (height, width))
        found = _rounded(clean.images.contiguous() * LEVELS)
        found = _rounded(resampling.along(found, across=resampling.box_matrix(width, narrow)))
        found = _rounded(
            resampling.along(found, down=resampling.box_matrix(height, low))
        )  # as Pillow, after each direction
        found = resampling.along(found.div_(LEVELS), across=resampling.box_matrix(narrow, width))  # copies pixels
        rows = torch.from_numpy(resampling.box_matrix(low, height).argmax(axis=1)).to(found.device)
        return Perturbed(like(found.index_select(2, rows), clean.images))


def _rounded(values: Tensor) -> Tensor:
    """The nearest whole numbers, halves up."""
    return values.add_(0.5 + SMALL).floor_()
