"""Pixelate: the image made smaller and enlarged again with a box filter."""

from torch import Tensor

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, finished

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

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factor = at_severity(FACTORS, strength, "pixelation")
        sides = clean.images.shape[2:]
        smaller = [resampling.box_matrix(side, max(1, int(side * factor))) for side in sides]
        larger = [resampling.box_matrix(max(1, int(side * factor)), side) for side in sides]
        found = _rounded(clean.images.contiguous() * LEVELS)
        for down, across in (smaller, larger):  # Pillow rounds after each direction
            found = _rounded(resampling.along(found, across=across))
            found = _rounded(resampling.along(found, down=down))
        return Perturbed(finished(found.div_(LEVELS), clean.images))


def _rounded(values: Tensor) -> Tensor:
    """The nearest whole numbers, halves up."""
    return values.add_(0.5 + SMALL).floor_()
