"""Saturate: each pixel's saturation in HSV weakened or strengthened."""

import torch

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished, mask

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
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factor, added = at_severity(CHANGES, strength, "saturation")
        images = clean.images.contiguous()
        value, least = images.amax(dim=1, keepdim=True), images.amin(dim=1, keepdim=True)
        spread = value - least
        grey, black = mask(torch.eq, spread, 0.0), mask(torch.eq, value, 0.0)
        wanted = (spread / (value + black) * factor + added).clamp_(max=1.0).mul_(value)  # the new range
        found = (images - value).mul_(wanted.div_(spread + grey)).add_(value)
        if added:
            found[:, 1:] -= grey.mul_(value).mul_(added)
        return Perturbed(finished(found, clean.images))
