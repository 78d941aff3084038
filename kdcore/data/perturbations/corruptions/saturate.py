"""Saturate: each pixel's saturation in HSV weakened or strengthened."""

import torch

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

CHANGES = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))  # factor and addition


class Saturate(Perturbation):
    """As in the authors' code grey pixels have the hue 0, so they turn red at severities 4 and 5."""

    title = "Saturation"
    summary = "Colours almost grey at severities 1 and 2, too strong from 3 on."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factor, added = at_severity(CHANGES, strength, "saturation")
        images = clean.images.contiguous()
        value, least = images.amax(dim=1, keepdim=True), images.amin(dim=1, keepdim=True)
        spread = value - least
        wanted = (spread / value * factor + added).clamp_(max=1.0) * value  # the new range
        found = torch.where(spread > 0, wanted / spread, 0.0) * (images - value) + value
        if added:
            found[:, 1:] -= torch.where((spread == 0) & (value > 0), added * value, 0.0)
        return Perturbed(finished(found, clean.images))
