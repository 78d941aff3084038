"""Sizes at which images are stylised: a 32 px image has no room for strokes and patterns, so it is enlarged first."""

import torch.nn.functional as F
from torch import Tensor

STEP = 4  # by which a style network's sides are divided and multiplied again


def enlarged(images: Tensor, side: int) -> Tensor:
    """Images [m, 3, H, W], enlarged where needed: the shorter side at least `side`, both divisible by STEP."""
    height, width = images.shape[2:]
    factor = max(1.0, side / min(height, width))
    size = [STEP * round(each * factor / STEP) for each in (height, width)]
    return _resized(images, size)


def reduced(images: Tensor, like: Tensor) -> Tensor:
    """Images at the size of others, in [0, 1]."""
    return _resized(images, list(like.shape[2:]))


def _resized(images: Tensor, size: list[int]) -> Tensor:
    if list(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)
