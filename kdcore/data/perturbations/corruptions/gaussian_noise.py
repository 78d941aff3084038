"""Gaussian noise, as of a sensor in low light."""

import torch

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

DEVIATIONS = (0.04, 0.06, 0.08, 0.09, 0.10)


class GaussianNoise(Perturbation):
    title = "Gaussian noise"
    summary = "Weak Gaussian noise on every pixel and channel."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        deviation = at_severity(DEVIATIONS, strength, "Gaussian noise")
        noise = randomness.pixel_noise(clean.keys, clean.images, stream=1).to(clean.images)
        return Perturbed(finished(torch.add(clean.images, noise, alpha=deviation, out=noise), clean.images))
