"""Batches of a split. All randomness follows from (seed, epoch, batch), so that an epoch can start at any batch.

With fixed views an image's augmentation follows from (view seed, view, image) instead, so runs of other seeds share it.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from kdcore.data.augment import augmented, random_numbers
from kdcore.data.prefetch import prefetched
from kdcore.data.split import Split
from kdcore.recipe import Recipe
from kdcore.tensors.outputs import Batch

VIEWS = 1_000_003  # a random stream of its own


def steps_per_epoch(n: int, batch_size: int, smallest: int = 1) -> int:
    """The number of batches of n images. A last one of fewer than `smallest` images joins the one before it."""
    whole, rest = divmod(n, batch_size)
    return whole + (rest >= smallest or (rest > 0 and not whole))


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    augment: Sequence[str] = (),
    start: int = 0,
    shuffle: bool = True,
    smallest: int = 1,
    views: int = 0,
    view_seed: int = 0,
) -> Iterator[Batch]:
    """One epoch's batches from number `start` on, the same as after drawing the earlier ones.

    Images are float in [0, 1], channels last, on the device of the split's targets.

    Args:
        smallest: a last batch of fewer images joins the one before it, for networks that a batch of one cannot train.
        views: how many fixed augmentations each image has, used in turn, one per epoch; 0: a new one each time.
    """
    view = epoch % views if views else None
    fixed = None if view is None else random_numbers(len(split), _generator(view_seed, VIEWS, view))
    if shuffle:
        order = torch.randperm(len(split), generator=_generator(seed, epoch))
    else:
        order = torch.arange(len(split))
    device = split.targets.device
    chosen = order.to(device)
    local = chosen if split.images.device == device else order.to(split.images.device)
    pixels = split.images.permute(0, 2, 3, 1)  # [n, H, W, 3], the layout in memory
    steps = steps_per_epoch(len(split), batch_size, smallest)
    numbers = range(start, steps)
    ends = [(number + 1) * batch_size if number < steps - 1 else len(split) for number in numbers]
    parts = [slice(number * batch_size, end) for number, end in zip(numbers, ends, strict=True)]
    read: Generator[Tensor, None, None]
    if split.streamed:
        read = prefetched(pixels, [local[rows] for rows in parts], pinned=device.type == "cuda")
    else:
        read = (pixels.index_select(0, local[rows]) for rows in parts)
    with closing(read):
        for number, rows, images in zip(numbers, parts, read, strict=True):
            indices = chosen[rows]
            chance = (
                random_numbers(len(images), _generator(seed, epoch, number)) if fixed is None else fixed[order[rows]]
            )
            yield Batch(
                images=augmented(images.to(device, non_blocking=True), augment, chance),
                targets=split.targets[indices],
                indices=indices,
                view=view,
            )


def training_batches(
    split: Split, recipe: Recipe, *, seed: int, step: int, per_epoch: int, smallest: int = 1
) -> Iterator[Batch]:
    """The batches of a run after `step` steps, up to the end of that epoch.

    Args:
        per_epoch: steps of an epoch.
        smallest: as in `batches`.
    """
    return batches(
        split,
        recipe.data.batch_size,
        seed=seed,
        epoch=step // per_epoch,
        augment=recipe.data.augment,
        start=step % per_epoch,
        smallest=smallest,
        views=recipe.kept_views,
        view_seed=recipe.data.seed_of("train"),
    )


def _generator(*seed: int) -> torch.Generator:
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
