"""Zoom blur: the mean of the image at several magnifications, as of a camera that moves closer."""

import numpy as np

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

MOST = (1.06, 1.11, 1.16, 1.21, 1.26)  # magnification, which starts at 1
STEP = 0.01


class ZoomBlur(Perturbation):
    title = "Zoom blur"
    summary = "The mean of the image at many magnifications, as of a camera that moves closer."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        factors = np.arange(1, at_severity(MOST, strength, "zoom blur"), STEP).tolist()
        images = clean.images.contiguous()
        total = images.clone()
        for factor in factors:
            down, across = (resampling.zoom_matrix(side, factor) for side in images.shape[2:])
            total += resampling.applied(images, down, across)
        return Perturbed(finished(total / (len(factors) + 1), clean.images))
