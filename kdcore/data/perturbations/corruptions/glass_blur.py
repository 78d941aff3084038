"""Glass blur: pixels take the colour of a neighbour, as through frosted glass."""

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, finished

SETTINGS = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))  # sigma and reach in pixels; passes


class GlassBlur(Perturbation):
    """The authors' code means to swap two pixels, and copies one of them, since both are views of one array; so does this.

    It visits pixels from the last to the first. With a reach of 1, so up to 47 pixels a side, that is the same as copying from the image
    before the pass, as this does at every size.
    """

    title = "Glass blur"
    summary = "Blur, neighbouring pixels displaced at random, blur: as through frosted glass."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        sigma, reach, passes = at_severity(SETTINGS, strength, "glass blur")
        scale = resampling.scale(clean.images)
        found = resampling.gaussian(clean.images, sigma * scale).mul_(LEVELS).floor_().div_(LEVELS)
        for stream in range(1, passes + 1):
            found = displaced(found, clean.keys, max(1, round(reach * scale)), stream)
        return Perturbed(finished(resampling.gaussian(found, sigma * scale), clean.images))


def displaced(images: Tensor, keys: Tensor, reach: int, stream: int) -> Tensor:
    """Each pixel from one that is -reach to reach - 1 rows and columns away; pixels near the border stay: [m, 3, H, W]."""
    height, width = images.shape[2:]
    chance = randomness.uniform_field(keys, (height, width), stream) * (2 * reach)
    down = chance.floor()
    across = chance.sub_(down).mul_(2 * reach).floor_()
    inside = chance.new_zeros(height, width)
    inside[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = 1
    steps = down.sub_(reach).mul_(width).add_(across).sub_(reach).mul_(inside)  # in pixels of the flat image
    places = torch.arange(height * width, device=images.device) + steps.flatten(1).long()
    return images.flatten(2).gather(2, places[:, None].expand(-1, images.shape[1], -1)).reshape(images.shape)
