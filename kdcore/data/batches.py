"""Batches of a split. All randomness follows from (seed, epoch, batch), so that an epoch can start at any batch.

With fixed views an image's augmentation follows from (view seed, view, image) instead, so runs of other seeds share it.
"""

import dataclasses
import itertools
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from kdcore.data.augment import Augmentation, Drawn, generator, mixing
from kdcore.data.prefetch import prefetched
from kdcore.data.ragged import Ragged
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
    whole = split.whole if augment.resized_crop else None
    sizes = None if whole is None else torch.from_numpy(whole.sizes)
    fixed = None if view is None else augment.draw(len(split), side, (view_seed, VIEWS, view), sizes)
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

    def drawn_for(number: int, rows: slice) -> Drawn:
        """The random numbers of a whole batch."""
        if fixed is not None:
            return fixed.at(order[rows])
        own_sizes = None if sizes is None else sizes[order[rows]]
        return augment.draw(rows.stop - rows.start, side, (seed, epoch, number), own_sizes)

    read: Generator[Tensor, None, None]
    if whole is not None:
        crops = (
            crops_of(order, drawn_for(number, rows), rows, part)
            for number, rows, part in zip(numbers, places, needed, strict=True)
        )
        read = prefetched(Crops(whole, side[0]), crops, pinned=device.type == "cuda")
    elif split.streamed:
        read = prefetched(pixels, [local[rows] for rows in needed], pinned=device.type == "cuda")
    else:
        read = (pixels.index_select(0, local[rows]) for rows in needed)
    with closing(read):
        for number, rows, own, images in zip(numbers, places, owned, read, strict=True):
            indices = chosen[rows]
            drawn = drawn_for(number, rows)
            if own is not None and len(images) < len(indices):
                drawn = drawn.at(own)
            if whole is not None:
                drawn = dataclasses.replace(drawn, windows=None)  # they are cut already
            batch = Batch(
                images=augment.apply(images.to(device, non_blocking=True), drawn),
                targets=split.targets[indices],
                indices=indices,
                view=view,
            )
            batch = mixing.mixed(batch, mixing.draw(mix, side, (seed, epoch, number)) if mix else None)
            yield batch if own is None else batch.of_rows(own)


@dataclass(frozen=True)
class Crops:
    """Resized crops as a tensor gives rows; each row is an image's place and a window of it, int64 [B, 5]."""

    whole: Ragged
    side: int

    def index_select(self, dim: int, index: Tensor, /) -> Tensor:
        return torch.from_numpy(self.whole.cut(index[:, 0].numpy(), index[:, 1:].numpy(), self.side))


def crops_of(order: Tensor, drawn: Drawn, rows: slice, part: slice | Tensor) -> Tensor:
    """The rows of `Crops` for a batch, or for the part of it that this process reads."""
    assert drawn.windows is not None
    batch = torch.cat([order[rows][:, None], drawn.windows], dim=1)
    return batch if isinstance(part, slice) else batch[part - rows.start]


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
