"""Brightness: a constant added to each pixel's value in HSV."""

import torch

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished, mask

ADDED = (0.05, 0.1, 0.15, 0.2, 0.3)  # to the value, the largest of the three channels


class Brightness(Perturbation):
    title = "Brightness"
    summary = "Every pixel brighter by the same amount, with its hue and saturation."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        images = clean.images.contiguous()
        value = images.amax(dim=1, keepdim=True)
        brighter = (value + at_severity(ADDED, strength, "brightness")).clamp_(max=1.0)
        black = mask(torch.eq, value, 0.0)  # which has no hue and becomes grey
        factor = brighter / (value + black)
        return Perturbed(finished(torch.addcmul(black.mul_(brighter), images, factor), clean.images))
