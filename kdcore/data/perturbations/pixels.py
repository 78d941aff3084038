"""What sets share in handling pixels: 8-bit levels, the layout in memory, and refusing a strength without a meaning."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from kdcore.errors import UserError

LEVELS = 255  # of an 8-bit pixel above black


def rounded_(images: Tensor) -> Tensor:
    """Images in [0, 1] at the nearest of 256 levels, as a PNG file holds them; in place."""
    return images.mul_(LEVELS).round_().div_(LEVELS)


def levels(images: Tensor) -> Tensor:
    """Images in [0, 1] as uint8."""
    return images.mul(LEVELS).round_().clamp_(0, LEVELS).to(torch.uint8)


def mask(compare: Callable[..., Tensor], values: Tensor, than: float) -> Tensor:
    """1 where a comparison such as `torch.lt` holds, else 0, with the dtype of the values: applying bools takes several times as long."""
    return compare(values, than, out=torch.empty_like(values))


def unit(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 images as floats in [0, 1]."""
    return pixels.to(dtype).div_(LEVELS)


def like(found: Tensor, images: Tensor) -> Tensor:
    """Pixels [m, 3, H, W] with the dtype of the images they were made from, each in a place of its own in memory.

    Channels may come first or last in memory: networks get the same outputs from both, and to change it takes as long as a noise.
    """
    found = found.to(images.dtype)
    last = found.is_contiguous(memory_format=torch.channels_last)
    return found if last else found.contiguous()


def finished(found: Tensor, images: Tensor) -> Tensor:
    """`found`, which nobody else has, clamped to [0, 1] in place; then as `like`."""
    return like(found.clamp_(0.0, 1.0), images)


def check_between(strength: float, low: float, high: float, what: str) -> None:
    """Refuse a strength outside [low, high]. `what` names it with its set, as in `The cutoff of low-pass`. Raises UserError."""
    if not (math.isfinite(strength) and low <= strength <= high):
        raise UserError(f"{what} is {strength:g}; it should be a number from {low:g} to {high:g}.")


def check_whole(strength: float, low: int, high: int, what: str) -> int:
    """The strength as a whole number in [low, high]. `what` as in `check_between`. Raises UserError."""
    if not (math.isfinite(strength) and strength == int(strength) and low <= strength <= high):
        raise UserError(f"{what} is {strength:g}; it should be a whole number from {low} to {high}.")
    return int(strength)
