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
        rows = clean.images.permute(0, 2, 3, 1).flatten(2)  # [m, H, W * 3], the usual layout in memory
        means = clean.images.mean(dim=(2, 3)).repeat(1, clean.images.shape[3])[:, None]
        found = (rows - means).mul_(factor).add_(means).unflatten(2, (-1, 3))
        return Perturbed(finished(found.permute(0, 3, 1, 2), clean.images))
