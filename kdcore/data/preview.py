"""A look at what the networks are shown: a few training images as they are augmented, with the labels that they come with."""

from dataclasses import dataclass

import numpy as np

from kdcore.data import loading
from kdcore.data.batches import batches
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

CHOICE = 8  # so many times the images shown are read, so that another seed has others to show


@dataclass(frozen=True)
class Preview:
    """Some training images.

    images: uint8 [n, H, W, 3]: as the loop has them, in [0, 1] before any network normalises, so there is nothing to undo.
    labels: what the student is told of each; None where the label is withheld.
    truths: what each is.
    """

    images: np.ndarray
    labels: tuple[str | None, ...]
    truths: tuple[str, ...]


def preview(recipe: DataRecipe, count: int, *, seed: int = 0) -> Preview:
    """`count` training images of as many classes as there are, drawn and augmented anew by another seed.

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
    told = [None if target == NO_LABEL else split.classes[target] for target in batch.targets[chosen].tolist()]
    return Preview(pixels.numpy(), tuple(told), tuple(split.classes[place] for place in truth[chosen].tolist()))
