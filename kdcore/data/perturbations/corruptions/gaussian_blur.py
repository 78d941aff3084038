"""Gaussian blur."""

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

SIGMAS = (0.4, 0.6, 0.7, 0.8, 1.0)  # pixels


class GaussianBlur(Perturbation):
    title = "Gaussian blur"
    summary = "The image convolved with a Gaussian."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        sigma = at_severity(SIGMAS, strength, "Gaussian blur") * resampling.scale(clean.images)
        return Perturbed(finished(resampling.gaussian(clean.images, sigma), clean.images))
