"""A split as a stream of batches. Everything random comes from (seed, epoch, batch), so an epoch can start anywhere."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kdcore.data.augment import augmented
from kdcore.data.source import Split
from kdcore.outputs import Batch


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
) -> Iterator[Batch]:
    """One epoch's batches from number `start` on, the same as if the earlier ones had been drawn.

    Images are float in [0, 1], channels last, on the device of the split's targets.
    """
    if shuffle:
        order = torch.randperm(len(split), generator=_generator(seed, epoch))
    else:
        order = torch.arange(len(split))
    device = split.targets.device
    chosen = order.to(device)
    local = chosen if split.images.device == device else order.to(split.images.device)
    pixels = split.images.permute(0, 2, 3, 1)  # [n, H, W, 3] as they lie in memory
    for number in range(start, steps_per_epoch(len(split), batch_size, drop_last)):
        rows = slice(number * batch_size, (number + 1) * batch_size)
        images = pixels.index_select(0, local[rows]).to(device, non_blocking=True)
        indices = chosen[rows]
        yield Batch(
            images=augmented(images, augment, _generator(seed, epoch, number)),
            targets=split.targets[indices],
            indices=indices,
        )


def _generator(*seed: int) -> torch.Generator:
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
