"""Contrast: each channel nearer to its mean over the image."""

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

FACTORS = (0.75, 0.5, 0.4, 0.3, 0.15)


class Contrast(Perturbation):
    title = "Contrast"
    summary = "Each channel is drawn towards its mean over the image."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factor = at_severity(FACTORS, strength, "contrast")
        means = clean.images.mean(dim=(2, 3), keepdim=True)
        return Perturbed(finished(means + factor * (clean.images - means), clean.images))
