"""Mixtures of two images of a batch, as timm makes them for whole batches: mixup and CutMix.

Mixup is Zhang et al., ICLR 2018, https://arxiv.org/abs/1710.09412; CutMix is Yun et al., ICCV 2019,
https://arxiv.org/abs/1905.04899. Distillation on mixtures is function matching, Beyer et al., CVPR 2022,
https://arxiv.org/abs/2106.05237.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdcore.recipe.data import DataRecipe
from kdcore.tensors.outputs import NO_LABEL, Batch

MIXTURES = 14  # a random stream of its own
CUTMIX = 0.5  # share of the mixed batches that are cut where both kinds are set


@dataclass(frozen=True)
class Mixture:
    """How a batch is mixed: each image keeps `share` of itself. box: top, bottom, left, right of what its partner covers; None for
    mixup."""

    share: float
    box: tuple[int, int, int, int] | None = None


def draw(data: DataRecipe, side: tuple[int, int], seed: Sequence[int]) -> Mixture | None:
    """The mixture of a batch of images of `side` (height, width); None where it is not mixed.

    One ratio for the whole batch, from Beta(alpha, alpha). What a box covers beyond the border counts for nothing, so the
    share follows from the covered area.
    """
    random = np.random.default_rng((*seed, MIXTURES))
    if random.random() >= data.mix_probability or not (data.mixup or data.cutmix):
        return None
    cut = not data.mixup or bool(data.cutmix and random.random() < CUTMIX)
    alpha = data.cutmix if cut else data.mixup
    share = float(random.beta(alpha, alpha))
    if not cut:
        return Mixture(share)
    box = _box(side, share, (int(random.integers(side[0])), int(random.integers(side[1]))))
    return Mixture(1 - (box[1] - box[0]) * (box[3] - box[2]) / (side[0] * side[1]), box)


def _box(side: tuple[int, int], share: float, centre: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box of the image's shape with 1 - `share` of its area around a place, cut off at the border."""
    found: list[int] = []
    for length, middle in zip(side, centre, strict=True):
        size = int(length * (1 - share) ** 0.5)
        found += [max(0, middle - size // 2), min(length, middle + (size + 1) // 2)]
    return found[0], found[1], found[2], found[3]


def partners(targets: Tensor) -> Tensor:
    """The image that each is mixed with, int64 [B]: the first with the last, the second with the one before, and so on.

    Images with a label are mixed among themselves, and so are those without: a mixed label is then known, or missing, as a
    whole. One that is left over stays as it is.
    """
    withheld = targets == NO_LABEL
    order = withheld.long().argsort(stable=True)  # those with a label first
    labelled = len(targets) - withheld.sum()
    places = torch.arange(len(targets), device=targets.device)
    opposite = torch.where(places < labelled, labelled - 1 - places, labelled + len(targets) - 1 - places)
    return torch.empty_like(order).scatter_(0, order, order[opposite])


def mixed(batch: Batch, mixture: Mixture | None) -> Batch:
    """The batch with every image mixed with its partner, and the labels of both. The images are changed in place."""
    if mixture is None:
        return batch
    others, images = partners(batch.targets), batch.images
    if mixture.box is None:
        images = images.mul(mixture.share).add_(images[others], alpha=1 - mixture.share)
    else:
        top, bottom, left, right = mixture.box
        images[:, :, top:bottom, left:right] = images[others, :, top:bottom, left:right]
    return dataclasses.replace(batch, images=images, other_targets=batch.targets[others], share=mixture.share)
