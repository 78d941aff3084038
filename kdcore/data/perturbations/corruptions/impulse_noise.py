"""Impulse noise: some values become 0 or 1, each channel for itself."""

import torch

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import like, mask

SHARES = (0.01, 0.02, 0.03, 0.05, 0.07)


class ImpulseNoise(Perturbation):
    title = "Impulse noise"
    summary = "Salt and pepper: a small share of the values becomes black or white."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    at_levels = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        share = at_severity(SHARES, strength, "impulse noise")
        chance = randomness.pixel_uniform(clean.keys, clean.images, stream=1)
        white, others = (
            mask(torch.lt, chance, share),
            mask(torch.ge, chance, share / 2),
        )  # of the white the lower half: black
        return Perturbed(like(torch.maximum(clean.images, white, out=white).mul_(others), clean.images))
