"""Random numbers that follow from an image's own pixels, not from its place in a batch, on every device alike."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

BANK = 1 << 22  # random numbers that are drawn once; each image reads on from a place of its own
SEED = 20  # of the bank
MIXERS = (-4658895280553007687, -7723592293110705685)  # of splitmix64 (Steele et al., OOPSLA 2014), as signed numbers
WORD = 8  # pixels' bytes that are read as one number
STEP = -7046029254386353131  # the golden ratio times 2**64, likewise


def keys(images: Tensor) -> Tensor:
    """A number for each image that decides its randomness, from its pixels: uint8 [m, 3, H, W] -> int64 [m]."""
    flat = images.permute(0, 2, 3, 1).flatten(1)  # the usual layout in memory
    words = flat.new_zeros(len(flat), -(-flat.shape[1] // WORD) * WORD)
    words[:, : flat.shape[1]] = flat
    numbers = words.view(torch.int64)
    places = torch.arange(numbers.shape[1], device=flat.device, dtype=torch.int64)
    return mixed(mixed(numbers ^ mixed(places)).sum(dim=1))


def mixed(numbers: Tensor) -> Tensor:
    """Each int64 mapped to another as if at random (the finaliser of splitmix64)."""
    found = numbers + STEP
    for shift, factor in zip((30, 27), MIXERS, strict=True):
        found = (found ^ _shifted(found, shift)) * factor
    return found ^ _shifted(found, 31)


def below(limit: int | Tensor, keys: Tensor, stream: int) -> Tensor:
    """A whole number in [0, limit) for each key, [m] int64; limits may be [m]. Another `stream` gives other numbers."""
    return torch.remainder(_shifted(_stream(keys, stream), 1), limit)


def uniform(keys: Tensor, count: int, stream: int) -> Tensor:
    """`count` numbers in [0, 1) for each key, float32 [m, count]."""
    places = torch.arange(count, device=keys.device, dtype=torch.int64)
    found = mixed(_stream(keys, stream)[:, None] + places)
    return _shifted(found, 40).to(torch.float32) / (1 << 24)


def normal(keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Standard normal numbers for each key, float32 [m, *shape], read from a bank of random numbers at a place of its own."""
    return _read(_normal_bank(str(keys.device)), keys, shape, stream)


def uniform_field(keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Numbers in [0, 1) for each key, float32 [m, *shape], from a bank likewise: cheaper than `uniform` where there are many."""
    return _read(_uniform_bank(str(keys.device)), keys, shape, stream)


def pixel_noise(keys: Tensor, images: Tensor, stream: int) -> Tensor:
    """Standard normal numbers for each pixel and channel of images [m, C, H, W], in their usual layout in memory."""
    channels, height, width = images.shape[1:]
    return normal(keys, (height, width, channels), stream).permute(0, 3, 1, 2)


def pixel_uniform(keys: Tensor, images: Tensor, stream: int) -> Tensor:
    """Numbers in [0, 1) for each pixel and channel, likewise."""
    channels, height, width = images.shape[1:]
    return uniform_field(keys, (height, width, channels), stream).permute(0, 3, 1, 2)


def permutations(keys: Tensor, count: int, stream: int) -> Tensor:
    """A permutation of `count` items for each key, [m, count] int64."""
    return uniform(keys, count, stream).argsort(dim=1, stable=True)


def _stream(keys: Tensor, stream: int) -> Tensor:
    """Other keys for each stream, so that two uses of randomness for one image are independent."""
    return mixed(keys ^ _number(stream))


def _shifted(numbers: Tensor, by: int) -> Tensor:
    """Shift the 64 bits to the right, with zeros from the left."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)


def _read(bank: Tensor, keys: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """So many numbers from a place in the bank that follows from the key: [m, *shape]. One image's fit the bank."""
    count = int(np.prod(shape))
    first = below(BANK - count, keys, stream)
    return bank.unfold(0, count, 1).index_select(0, first).reshape(len(keys), *shape)


@lru_cache(maxsize=64)
def _number(stream: int) -> int:
    return int(mixed(torch.tensor(stream)))


@lru_cache(maxsize=4)
def _normal_bank(device: str) -> Tensor:
    drawn = np.random.default_rng(SEED).standard_normal(BANK, dtype=np.float32)
    return torch.from_numpy(drawn).to(device)


@lru_cache(maxsize=4)
def _uniform_bank(device: str) -> Tensor:
    drawn = np.random.default_rng(SEED + 1).random(BANK, dtype=np.float32)
    return torch.from_numpy(drawn).to(device)
