"""Shot noise: Poisson noise, as of few photons."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, like

PHOTONS = (500, 250, 100, 75, 50)  # of a white pixel
QUANTILES = 1024  # equally probable, of each level's distribution


class ShotNoise(Perturbation):
    """Pixels are read as 8-bit levels, each with a table of its Poisson distribution's quantiles."""

    title = "Shot noise"
    summary = "Poisson noise, the stronger, the fewer photons a white pixel stands for."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        photons = at_severity(PHOTONS, strength, "shot noise")
        chance = randomness.pixel_uniform(clean.keys, clean.images, stream=1).to(clean.images)
        quantile = chance.mul_(
            QUANTILES
        ).floor_()  # before it is added: the largest would be rounded up to the next level
        places = torch.add(quantile, clean.images, alpha=LEVELS * QUANTILES, out=quantile).round_().to(torch.int32)
        flat = places.permute(0, 2, 3, 1).flatten()
        found = _table(photons, str(places.device)).index_select(0, flat)
        return Perturbed(like(found.reshape(places.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2), clean.images))


@lru_cache(maxsize=16)
def _table(photons: int, device: str) -> Tensor:
    """The quantiles of Poisson(photons * level / 255) / photons for each level, clamped: [256 * QUANTILES]."""
    chances, numbers = (np.arange(QUANTILES) + 0.5) / QUANTILES, np.arange(2 * photons + 50)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(numbers[1:]))])  # their logarithms
    counts = np.zeros((LEVELS + 1, QUANTILES))
    for level, mean in enumerate(photons * np.arange(LEVELS + 1) / LEVELS):
        if level:
            probable = np.exp(numbers * np.log(mean) - mean - factorials)
            counts[level] = np.searchsorted(probable.cumsum(), chances)
    return torch.from_numpy(np.minimum(counts / photons, 1.0).astype(np.float32).ravel()).to(device)
