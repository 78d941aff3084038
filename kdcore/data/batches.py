"""Batches of a split. All randomness follows from (seed, epoch, batch), so that an epoch can start at any batch.

With fixed views an image's augmentation follows from (view seed, view, image) instead, so runs of other seeds share it.
"""

import itertools
from collections.abc import Generator, Iterator
from contextlib import closing

import torch
from torch import Tensor

from kdcore.data.augment import Augmentation, generator, mixing
from kdcore.data.prefetch import prefetched
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe, Recipe
from kdcore.runtime.distributed import ALONE, Process, Span
from kdcore.tensors.outputs import Batch

VIEWS = 1_000_003  # a random stream of its own
PLAIN = Augmentation()
FEWEST = 2  # images in a part of a batch: BatchNorm has no statistics of one


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
    augment: Augmentation = PLAIN,
    mix: DataRecipe | None = None,
    start: int = 0,
    shuffle: bool = True,
    smallest: int = 1,
    views: int = 0,
    view_seed: int = 0,
    process: Process = ALONE,
    parts: int = 1,
) -> Iterator[Batch]:
    """One epoch's batches from number `start` on, the same as after drawing the earlier ones.

    Images are float in [0, 1], channels last, on the device of the split's targets.

    Args:
        mix: the recipe's data, whose mixup and CutMix apply; None: images are not mixed.
        smallest: a last batch of fewer images joins the one before it, for networks that a batch of one cannot train.
        views: how many fixed augmentations each image has, used in turn, one per epoch; 0: a new one each time.
        process: which gets its part of each batch, or all of one that has fewer images than there are processes.
        parts: in how many each batch will be `divided`.
    """
    view = epoch % views if views else None
    side = int(split.images.shape[2]), int(split.images.shape[3])
    fixed = None if view is None else augment.draw(len(split), side, (view_seed, VIEWS, view))
    if shuffle:
        order = torch.randperm(len(split), generator=generator(seed, epoch))
    else:
        order = torch.arange(len(split))
    device = split.targets.device
    chosen = order.to(device)
    local = chosen if split.images.device == device else order.to(split.images.device)
    pixels = split.images.permute(0, 2, 3, 1)  # [n, H, W, 3], the layout in memory
    steps = steps_per_epoch(len(split), batch_size, smallest)
    numbers = range(start, steps)
    ends = [(number + 1) * batch_size if number < steps - 1 else len(split) for number in numbers]
    places = [slice(number * batch_size, end) for number, end in zip(numbers, ends, strict=True)]
    owned = [process.rows(divisions(rows.stop - rows.start, parts)) for rows in places]
    # a mixture's two images may belong to two processes
    needed = [
        rows if own is None or (mix and mix.mixed) else rows.start + own
        for rows, own in zip(places, owned, strict=True)
    ]
    read: Generator[Tensor, None, None]
    if split.streamed:
        read = prefetched(pixels, [local[rows] for rows in needed], pinned=device.type == "cuda")
    else:
        read = (pixels.index_select(0, local[rows]) for rows in needed)
    with closing(read):
        for number, rows, own, images in zip(numbers, places, owned, read, strict=True):
            indices = chosen[rows]
            drawn = augment.draw(len(indices), side, (seed, epoch, number)) if fixed is None else fixed.at(order[rows])
            if own is not None and len(images) < len(indices):
                drawn = drawn.at(own)
            batch = Batch(
                images=augment.apply(images.to(device, non_blocking=True), drawn),
                targets=split.targets[indices],
                indices=indices,
                view=view,
            )
            batch = mixing.mixed(batch, mixing.draw(mix, side, (seed, epoch, number)) if mix else None)
            yield batch if own is None else batch.of_rows(own)


def divisions(images: int, count: int) -> list[Span]:
    """The rows of `count` parts of almost the same size, as in `torch.tensor_split`; fewer where one would have less than two."""
    return even(images, max(1, min(count, images // FEWEST)))


def even(images: int, count: int) -> list[Span]:
    """The rows of `count` parts of almost the same size; the first ones have one more."""
    size, rest = divmod(images, count)
    ends = [place * size + min(place, rest) for place in range(count + 1)]
    return list(itertools.pairwise(ends))


def training_batches(
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    step: int,
    per_epoch: int,
    smallest: int = 1,
    process: Process = ALONE,
) -> Iterator[Batch]:
    """The batches of a run after `step` steps, up to the end of that epoch.

    Args:
        per_epoch: steps of an epoch.
        smallest, process: as in `batches`.
    """
    return batches(
        split,
        recipe.data.batch_size,
        seed=seed,
        epoch=step // per_epoch,
        augment=Augmentation.of(recipe.data),
        mix=recipe.data,
        start=step % per_epoch,
        smallest=smallest,
        views=recipe.kept_views,
        view_seed=recipe.data.seed_of("train"),
        process=process,
        parts=recipe.optimizer.accumulate,
    )
