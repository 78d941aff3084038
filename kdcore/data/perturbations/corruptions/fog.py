"""Fog: a bright layer whose thickness is a fractal of its own for each image."""

from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import finished

LAYERS = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))  # thickness, and the decay of its roughness


class Fog(Perturbation):
    title = "Fog"
    summary = "A bright layer of fractal thickness over the image, which loses contrast."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        thickness, decay = at_severity(LAYERS, strength, "fog")
        height, width = clean.images.shape[2:]
        side = 1 << (max(height, width) - 1).bit_length()
        fog = plasma(clean.keys, side, decay)[:, None, :height, :width]
        images = clean.images.contiguous()
        most = images.flatten(1).amax(dim=1)[:, None, None, None]
        found = (images + thickness * fog).mul_(most / (most + thickness))
        return Perturbed(finished(found, images))


def plasma(keys: Tensor, side: int, decay: float) -> Tensor:
    """A fractal for each key by the diamond-square algorithm, in [0, 1] and periodic: [m, side, side], side a power of two.

    At each step the points in the middle of squares, then those in the middle of diamonds, become the mean of their four corners plus
    noise, and the noise weakens by decay^2. The authors' `plasma_fractal`.
    """
    chances = randomness.uniform_field(keys, (side * side,), stream=1) * 2 - 1
    found = chances.new_zeros(len(keys), side, side)
    used, step, strength = 0, side, 100.0
    while step >= 2:
        half, count = step // 2, (side // step) ** 2
        noise = strength**2 * chances[:, used : used + 3 * count].unflatten(1, (3, side // step, side // step))
        corners = found[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        middles = (pairs + pairs.roll(-1, 2)) / 4 + noise[:, 0]
        above = middles + middles.roll(1, 1) + corners + corners.roll(-1, 2)
        beside = middles + middles.roll(1, 2) + corners + corners.roll(-1, 1)
        found[:, half::step, half::step] = middles
        found[:, ::step, half::step] = above / 4 + noise[:, 1]
        found[:, half::step, ::step] = beside / 4 + noise[:, 2]
        used, step, strength = used + 3 * count, half, strength / decay
    found -= found.amin(dim=(1, 2), keepdim=True)
    return found / found.amax(dim=(1, 2), keepdim=True)
