"""Similarity of the layers of two networks: linear CKA between all of them, by minibatches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from kdcore.data.batches import batches
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.models import Tapped
from kdcore.results.similarity import LEAST_IMAGES, MinibatchCKA
from kdcore.robustness import features
from kdcore.robustness.assessment import check

BATCH = 250


@dataclass(frozen=True, eq=False)
class Similarity:
    """CKA between layers, from 0 to 1: float32 [L1, L2], NaN where a layer gives the same for every image.

    rows, columns: the layers of the first and the second network. images: how many it rests on.
    pooled: layers that were averaged over space, because their outputs for a batch are large.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    images: int
    pooled: tuple[str, ...] = ()


def similarity(one: Tapped, other: Tapped, split: Split, *, batch: int = BATCH) -> Iterator[Similarity]:
    """All layers of two networks on a split; yields the matrix so far after each batch.

    Args:
        one, other: frozen, on the device of the split's targets. batch: images; a last batch of fewer than that joins the one before.

    Raises:
        UserError: a network has other classes than the split, or there are too few images.
    """
    check({one.name: one, other.name: other}, split)
    if len(split) < LEAST_IMAGES:
        raise UserError(f"Similarity of layers needs {LEAST_IMAGES} images or more, not {len(split)}.")
    known = [features.layers(model, 2 * batch) for model in (one, other)]
    pooled = tuple(
        f"{each} of {model.name}" for model, found in zip((one, other), known, strict=True) for each in found.pooled
    )
    cka = MinibatchCKA()
    for part in batches(split, batch, seed=0, epoch=0, shuffle=False, smallest=batch):
        first = [_gram(each) for each in features.of_batch(one, part.images, 2 * batch)]
        second = first if other is one else [_gram(each) for each in features.of_batch(other, part.images, 2 * batch)]
        cka.update(first, second)
        yield Similarity(known[0].names, known[1].names, cka.value().astype(np.float32), cka.images, pooled)


def _gram(outputs: Tensor) -> np.ndarray:
    """Inner products of a layer's outputs [m, D], which are centred first so that the numbers stay small: [m, m]."""
    centred = outputs - outputs.mean(dim=0)
    found: np.ndarray = (centred @ centred.T).double().cpu().numpy()
    return found
