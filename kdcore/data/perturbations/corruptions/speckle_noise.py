"""Speckle noise: Gaussian noise in proportion to the pixel's value."""

import torch

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

DEVIATIONS = (0.06, 0.1, 0.12, 0.16, 0.2)


class SpeckleNoise(Perturbation):
    title = "Speckle noise"
    summary = "Gaussian noise that is the stronger, the brighter the pixel."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        deviation = at_severity(DEVIATIONS, strength, "speckle noise")
        noise = randomness.pixel_noise(clean.keys, clean.images, stream=1).to(clean.images)
        found = torch.addcmul(clean.images, clean.images, noise, value=deviation, out=noise)
        return Perturbed(finished(found, clean.images))
