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
    channels_first = True

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
    chances = randomness.uniform_field(keys, (side * side,), stream=1).T.contiguous().mul_(2).sub_(1)
    found = chances.new_zeros(1, 1, len(keys))  # images last, so that neighbouring points are far apart in memory
    used, strength = 0, 100.0
    while (count := len(found)) < side:
        more = 3 * count**2
        noise = chances[used : used + more].mul_(strength**2).unflatten(0, (3, count, count))
        found, used, strength = finer(found, noise), used + more, strength / decay
    flat = found.flatten(0, 1).T.contiguous()
    flat -= flat.amin(dim=1, keepdim=True)
    return flat.div_(flat.amax(dim=1, keepdim=True)).unflatten(1, (side, side))


def finer(corners: Tensor, noise: Tensor) -> Tensor:
    """A step of the algorithm: [k, k, m] with noise [3, k, k, m] -> [2k, 2k, m]."""
    pairs = corners + corners.roll(-1, 0)
    middles = (pairs + pairs.roll(-1, 1)).div_(4).add_(noise[0])
    above = (middles + middles.roll(1, 0)).add_(corners).add_(corners.roll(-1, 1))
    beside = (middles + middles.roll(1, 1)).add_(corners).add_(corners.roll(-1, 0))
    count, _, m = corners.shape
    found = corners.new_empty(count, 2, count, 2, m)
    found[:, 0, :, 0], found[:, 1, :, 1] = corners, middles
    found[:, 0, :, 1] = above.div_(4).add_(noise[1])
    found[:, 1, :, 0] = beside.div_(4).add_(noise[2])
    return found.view(2 * count, 2 * count, m)
