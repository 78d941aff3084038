"""Motion blur: along a line in a direction of its own for each image."""

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

LINES = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))  # radius and sigma, pixels


class MotionBlur(Perturbation):
    """The published severities 3 and 4 are the same: with a sigma of 2 no weight is left beyond 12 pixels."""

    title = "Motion blur"
    summary = "Blur along a line, within 45 degrees of the horizontal, as of a moving camera."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        radius, sigma = at_severity(LINES, strength, "motion blur")
        scale = resampling.scale(clean.images)
        degrees = 90 * randomness.uniform(clean.keys, 1, stream=1)[:, 0] - 45
        found = resampling.motion_blur(clean.images, degrees, radius * scale, sigma * scale)
        return Perturbed(finished(found, clean.images))
