"""Previews some training images as the networks get them: augmented, with the labels that the student learns from."""

from dataclasses import dataclass

import numpy as np
import torch

from kdcore.data import loading
from kdcore.data.augment import Augmentation, mixing
from kdcore.data.batches import batches
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

CHOICE = 8  # times the images shown are read, so that another seed shows others


@dataclass(frozen=True)
class Preview:
    """Some training images.

    images: uint8 [n, H, W, 3]; the networks get them in [0, 1] and normalise for themselves.
    labels: the training label of each, `cat 70 % + dog 30 %` of a mixed one; None where it is withheld.
    truths: the right label of each, likewise.
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
    batch = next(batches(split, len(split), seed=seed, epoch=0, augment=Augmentation.of(recipe), mix=recipe))
    truth = truths[batch.indices]
    rank = (truth[:, None] == truth[None, :]).tril(-1).sum(dim=1)  # how many of its class came before
    chosen = (rank * len(truth) + truth).argsort()[:count]
    pixels = (batch.images[chosen] * 255).round().byte().permute(0, 2, 3, 1)
    other_targets = batch.targets if batch.other_targets is None else batch.other_targets
    other_truth = truth if batch.other_targets is None else truth[mixing.partners(batch.targets)]
    labels, truths = torch.stack([batch.targets, other_targets], 1), torch.stack([truth, other_truth], 1)
    return Preview(
        pixels.numpy(),
        tuple(in_words(each, batch.share, split.classes) for each in labels[chosen].tolist()),
        tuple(in_words(each, batch.share, split.classes) or "" for each in truths[chosen].tolist()),
    )


def in_words(labels: list[int], share: float, classes: tuple[str, ...]) -> str | None:
    """A label, `cat 70 % + dog 30 %` of two images that are mixed; None where it is withheld."""
    own, other = labels
    if own == NO_LABEL:
        return None
    return (
        classes[own]
        if own == other
        else f"{classes[own]} {share:.0%} + {classes[other]} {1 - share:.0%}".replace("%", " %")
    )
