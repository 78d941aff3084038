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
from kdcore.tensors.outputs import Batch

VIEWS = 1_000_003  # a random stream of its own


def steps_per_epoch(n: int, batch_size: int, drop_last: bool = False) -> int:
    return n // batch_size if drop_last else -(-n // batch_size)


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    augment: Sequence[str] = (),
    start: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    views: int = 0,
    view_seed: int = 0,
) -> Iterator[Batch]:
    """One epoch's batches from number `start` on, the same as after drawing the earlier ones.

    Images are float in [0, 1], channels last, on the device of the split's targets.

    Args:
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
    numbers = range(start, steps_per_epoch(len(split), batch_size, drop_last))
    parts = [slice(number * batch_size, (number + 1) * batch_size) for number in numbers]
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


def _generator(*seed: int) -> torch.Generator:
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
