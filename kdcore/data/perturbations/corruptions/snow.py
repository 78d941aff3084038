"""Snow: flakes of noise, blurred along their fall, over a brighter image."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed, bounded
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, finished

GREY = (0.299, 0.587, 0.114)  # of a pixel's brightness


@dataclass(frozen=True)
class Snowfall:
    """mean, deviation: of the noise. zoom: its magnification. threshold: below it there is no flake. radius, sigma: of the motion
    blur, in pixels. kept: share of the image that stays as it is."""

    mean: float
    deviation: float
    zoom: float
    threshold: float
    radius: float
    sigma: float
    kept: float


SETTINGS = (
    Snowfall(0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    Snowfall(0.1, 0.2, 1, 0.5, 10, 4, 0.9),
    Snowfall(0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    Snowfall(0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    Snowfall(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)


class Snow(Perturbation):
    title = "Snow"
    summary = "Blurred flakes fall over an image that is a little whiter."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        snowfall = at_severity(SETTINGS, strength, "snow")
        flakes = self.flakes(clean, snowfall)
        images = clean.images
        grey = (images * images.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)
        whiter = torch.maximum(images, 1.5 * grey + 0.5)
        found = snowfall.kept * images + (1 - snowfall.kept) * whiter + flakes + flakes.flip(2, 3)
        return Perturbed(finished(found, images))

    def flakes(self, clean: Clean, snowfall: Snowfall) -> Tensor:
        """The layer of flakes of each image, [m, 1, H, W], at 8-bit levels before it is blurred."""
        (height, width), scale = clean.images.shape[2:], resampling.scale(clean.images)
        noise = randomness.normal(clean.keys, (1, height, width), stream=1)
        zoom = max(1.0, snowfall.zoom * scale)
        down, across = (resampling.zoom_matrix(side, zoom) for side in (height, width))
        layer = resampling.applied(noise * snowfall.deviation + snowfall.mean, down, across)
        layer = bounded(layer.masked_fill(layer < snowfall.threshold, 0.0)).mul(LEVELS).floor_().div_(LEVELS)
        degrees = 90 * randomness.uniform(clean.keys, 1, stream=2)[:, 0] - 135
        return resampling.motion_blur(layer, degrees, snowfall.radius * scale, snowfall.sigma * scale)
