"""Random numbers that follow from an image's own pixels, not from its place in a batch, on every device alike."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

BANK = 1 << 22  # random numbers that are drawn once; each image reads on from a place of its own
SEED = 20  # of the bank
MIXERS = (-4658895280553007687, -7723592293110705685)  # of splitmix64 (Steele et al., OOPSLA 2014), as signed numbers
STEP = -7046029254386353131  # the golden ratio times 2**64, likewise


def keys(images: Tensor) -> Tensor:
    """A number for each image that decides its randomness, from its pixels: uint8 [m, 3, H, W] -> int64 [m]."""
    flat = images.contiguous().flatten(1).to(torch.int64)
    places = torch.arange(flat.shape[1], device=flat.device, dtype=torch.int64)
    return mixed((flat * mixed(places)).sum(dim=1))


def mixed(numbers: Tensor) -> Tensor:
    """Each int64 mapped to another as if at random (the finaliser of splitmix64)."""
    found = numbers + STEP
    for shift, factor in zip((30, 27), MIXERS, strict=True):
        found = (found ^ _shifted(found, shift)) * factor
    return found ^ _shifted(found, 31)


def below(limit: int, keys: Tensor, stream: int) -> Tensor:
    """A whole number in [0, limit) for each key, [m] int64. Another `stream` gives other numbers."""
    return torch.remainder(_shifted(_stream(keys, stream), 1), limit)


def uniform(keys: Tensor, count: int, stream: int) -> Tensor:
    """`count` numbers in [0, 1) for each key, float32 [m, count]."""
    places = torch.arange(count, device=keys.device, dtype=torch.int64)
    found = mixed(_stream(keys, stream)[:, None] + places)
    return _shifted(found, 40).to(torch.float32) / (1 << 24)


def normal(keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Standard normal numbers for each key, float32 [m, *shape], read from a bank of random numbers at a place of its own."""
    count = int(np.prod(shape))
    bank = _bank(str(keys.device))
    first = below(BANK, keys, stream)
    places = torch.arange(count, device=keys.device, dtype=torch.int64)
    return bank[torch.remainder(first[:, None] + places, BANK)].reshape(len(keys), *shape)


def permutations(keys: Tensor, count: int, stream: int) -> Tensor:
    """A permutation of `count` items for each key, [m, count] int64."""
    return uniform(keys, count, stream).argsort(dim=1, stable=True)


def _stream(keys: Tensor, stream: int) -> Tensor:
    """Other keys for each stream, so that two uses of randomness for one image are independent."""
    return mixed(keys ^ mixed(torch.full_like(keys, stream)))


def _shifted(numbers: Tensor, by: int) -> Tensor:
    """Shift the 64 bits to the right, with zeros from the left."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)


@lru_cache(maxsize=4)
def _bank(device: str) -> Tensor:
    drawn = np.random.default_rng(SEED).standard_normal(BANK, dtype=np.float32)
    return torch.from_numpy(drawn).to(device)
