"""Previews some training images as the networks get them: augmented, with the labels that the student learns from."""

from dataclasses import dataclass

import numpy as np

from kdcore.data import loading
from kdcore.data.batches import batches
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

CHOICE = 8  # times the images shown are read, so that another seed shows others


@dataclass(frozen=True)
class Preview:
    """Some training images.

    images: uint8 [n, H, W, 3]; the networks get them in [0, 1] and normalise for themselves.
    labels: the training label of each; None where it is withheld.
    truths: the right label of each.
    """

    images: np.ndarray
    labels: tuple[str | None, ...]
    truths: tuple[str, ...]


def preview(recipe: DataRecipe, count: int, *, seed: int = 0) -> Preview:
    """`count` training images of as many classes as there are, sampled and augmented by `seed`.

    Raises:
        ValueError: as `load` does.
    """
    split = loading.load(recipe, "train", at_most=max(CHOICE * count, len(loading.classes(recipe))))
    truths = split.with_every_label().targets
    epoch = batches(split, len(split), seed=seed, epoch=0, augment=recipe.augment)
    batch = next(epoch)
    truth = truths[batch.indices]
    rank = (truth[:, None] == truth[None, :]).tril(-1).sum(dim=1)  # how many of its class came before
    chosen = (rank * len(truth) + truth).argsort()[:count]
    pixels = (batch.images[chosen] * 255).round().byte().permute(0, 2, 3, 1)
    labels = [None if target == NO_LABEL else split.classes[target] for target in batch.targets[chosen].tolist()]
    return Preview(pixels.numpy(), tuple(labels), tuple(split.classes[place] for place in truth[chosen].tolist()))
