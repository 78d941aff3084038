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
    order = torch.randperm(len(split), generator=generator(seed, epoch)) if shuffle else torch.arange(len(split))
    whole = split.whole if augment.resized_crop else None
    sizes = None if whole is None else torch.from_numpy(whole.sizes)
    fixed = None if view is None else augment.draw(len(split), side, (view_seed, VIEWS, view), sizes)
    numbers = Numbers(augment, side, (seed, epoch), order, sizes, fixed)
    planned = plan(steps_per_epoch(len(split), batch_size, smallest), batch_size, len(split), process, parts)[start:]
    if mix and mix.mixed:  # a mixture's two images may belong to two processes
        planned = [dataclasses.replace(each, read=each.rows) for each in planned]

    device = split.targets.device
    indices_on_device = order.to(device)
    with closing(read_images(split, whole, numbers, planned)) as read:
        for each, images in zip(planned, read, strict=True):
            indices = indices_on_device[each.rows]
            batch = Batch(
                images=augment.apply(images.to(device, non_blocking=True), numbers.to_apply(each, len(images))),
                targets=split.targets[indices],
                indices=indices,
                view=view,
            )
            batch = mixing.mixed(batch, mixing.draw(mix, side, (seed, epoch, each.number)) if mix else None)
            yield batch if each.own is None else batch.of_rows(each.own)


@dataclass(frozen=True)
class Planned:
    """A batch of an epoch.

    rows: of the epoch's order.
    own: its rows that belong to this process, counted from its beginning; None for all.
    read: the rows of the epoch's order whose images this process reads.
    """

    number: int
    rows: slice
    own: Tensor | None
    read: slice | Tensor


def plan(steps: int, batch_size: int, images: int, process: Process, parts: int) -> list[Planned]:
    """An epoch's batches; the last one takes all images that are left."""
    planned = []
    for number in range(steps):
        first = number * batch_size
        end = first + batch_size if number < steps - 1 else images
        own = process.rows(divisions(end - first, parts))
        planned.append(Planned(number, slice(first, end), own, slice(first, end) if own is None else first + own))
    return planned


@dataclass(frozen=True)
class Numbers:
    """The random numbers of the views of an epoch.

    sizes: height and width of each image of the split that resized crops are cut from; None: all have `side`.
    fixed: those of all images, where the views are fixed.
    """

    augment: Augmentation
    side: tuple[int, int]
    seed: tuple[int, int]
    order: Tensor
    sizes: Tensor | None
    fixed: Drawn | None

    def of(self, batch: Planned) -> Drawn:
        """Those of a whole batch, whichever of its images this process has."""
        indices = self.order[batch.rows]
        if self.fixed is not None:
            return self.fixed.at(indices)
        sizes = None if self.sizes is None else self.sizes[indices]
        return self.augment.draw(len(indices), self.side, (*self.seed, batch.number), sizes)

    def to_apply(self, batch: Planned, read: int) -> Drawn:
        """Those of the images of a batch that this process has read, without the resized crops, which are cut already."""
        drawn = self.of(batch)
        if batch.own is not None and read < len(self.order[batch.rows]):
            drawn = drawn.at(batch.own)
        return drawn if self.sizes is None else dataclasses.replace(drawn, windows=None)


def read_images(
    split: Split, whole: Ragged | None, numbers: Numbers, planned: list[Planned]
) -> Generator[Tensor, None, None]:
    """The images that this process reads of each batch: uint8 [b, H, W, 3], resized crops of `whole` where that is given."""
    pinned, order = split.targets.device.type == "cuda", numbers.order
    if whole is not None:
        crops = (crops_of(order, numbers.of(each), each) for each in planned)
        return prefetched(Crops(whole, numbers.side[0]), crops, pinned=pinned)
    pixels = split.images.permute(0, 2, 3, 1)  # [n, H, W, 3], the layout in memory
    places = order.to(split.images.device)
    if split.streamed:
        return prefetched(pixels, [places[each.read] for each in planned], pinned=pinned)
    return (pixels.index_select(0, places[each.read]) for each in planned)


@dataclass(frozen=True)
class Crops:
    """Resized crops as a tensor gives rows; each row is an image's place and a window of it, int64 [B, 5]."""

    whole: Ragged
    side: int

    def index_select(self, dim: int, index: Tensor, /) -> Tensor:
        return torch.from_numpy(self.whole.cut(index[:, 0].numpy(), index[:, 1:].numpy(), self.side))


def crops_of(order: Tensor, drawn: Drawn, batch: Planned) -> Tensor:
    """The rows of `Crops` for a batch, or for the part of it that this process reads."""
    assert drawn.windows is not None
    rows = torch.cat([order[batch.rows][:, None], drawn.windows], dim=1)
    return rows if isinstance(batch.read, slice) else rows[batch.read - batch.rows.start]


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
