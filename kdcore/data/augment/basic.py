"""Shifts, flips, changes of colour and rotations of whole batches, on the batch's device."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

JITTER = 0.3  # brightness, contrast and saturation are multiplied by 0.7 to 1.3
DEGREES = 15.0
CROP = 8  # an image is shifted by up to 1/8 of its side
LUMA = (0.299, 0.587, 0.114)


def random_numbers(images: int, generator: torch.Generator) -> Tensor:
    """The random numbers of these augmentations, [images, 7] in [0, 1): seven per image, whatever is augmented."""
    return torch.rand(images, 7, generator=generator)


def described(names: Sequence[str]) -> dict[str, float | None]:
    """The augmentations in the order in which they are applied, with the constant that each has."""
    constants = {"crop": 1 / CROP, "flip": None, "jitter": JITTER, "rotation": DEGREES}
    return {name: constant for name, constant in constants.items() if name in names}


def moved(images: Tensor, names: Sequence[str], chance: Tensor) -> Tensor:
    """`crop` and `flip`, as far as they are in `names`, in this order.

    Args:
        images: uint8 [B, H, W, 3]; may be changed in place.
        chance: [B, 7], from `random_numbers`.
    """
    if "crop" in names:
        images = crop(images, chance[:, 1], chance[:, 2])
    if "flip" in names:
        images = flip(images, chance[:, 0] < 0.5)
    return images


def coloured(pixels: Tensor, names: Sequence[str], chance: Tensor) -> Tensor:
    """`jitter` and `rotation`, as far as they are in `names`, in this order.

    Args:
        pixels: float [B, 3, H, W] in [0, 1]; may be changed in place.
        chance: [B, 7], from `random_numbers`.
    """
    if "jitter" in names:
        pixels = jitter(pixels, *(1 + JITTER * (2 * chance[:, 3:6].T - 1)))
    if "rotation" in names:
        pixels = rotate(pixels, math.radians(DEGREES) * (2 * chance[:, 6] - 1))
    return pixels


def crop(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift each image by up to an eighth of its side; the border is filled by reflection.

    Args:
        images: [B, H, W, 3].
        down, right: [B] in [0, 1), on the CPU.
    """
    height, width = images.shape[1:3]
    pad = max(1, min(height, width) // CROP)
    images = _mirrored(_mirrored(images, pad, 1), pad, 2)
    tops, lefts = (down * (2 * pad + 1)).long(), (right * (2 * pad + 1)).long()
    cut = _sliced if images.device.type == "cpu" else _gathered
    return cut(images, tops, lefts, height, width)


def flip(images: Tensor, which: Tensor) -> Tensor:
    """Flip some images horizontally.

    Args:
        images: [B, H, W, 3]; changed in place.
        which: [B] bool.
    """
    rows = beside(which.nonzero().squeeze(1), images)
    return images.index_copy_(0, rows, images.index_select(0, rows).flip(2))


def jitter(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Multiply each image's brightness, contrast (about its mean grey) and saturation (about each pixel's grey).

    Args:
        images: float [B, 3, H, W] in [0, 1]; changed in place.
        brightness, contrast, saturation: [B] factors.
    """
    red, green, blue = images.split(1, dim=1)
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue  # [B, 1, H, W]
    mean = grey.mean((2, 3), keepdim=True)
    both = brightness * contrast  # the three are affine, so they are one sum, with one rounding to [0, 1]
    offset = _column(both * (1 - saturation), images) * grey + _column(brightness * (1 - contrast), images) * mean
    return images.mul_(_column(both * saturation, images)).add_(offset).clamp_(0, 1)


def rotate(images: Tensor, radians: Tensor) -> Tensor:
    """Rotate each image about its centre; the border is filled by reflection.

    Args:
        images: float [B, 3, H, W].
        radians: [B], counter-clockwise.
    """
    ratio = images.shape[2] / images.shape[3]
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    turn = torch.stack([cos, -sin * ratio, zero, sin / ratio, cos, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(beside(turn, images), list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return turned.contiguous(memory_format=torch.channels_last)


def _sliced(images: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """A window of each image. A loop of numpy slices: on the CPU ten times as fast as the gather."""
    cut = np.empty((len(images), height, width, images.shape[3]), dtype=np.uint8)
    for into, image, top, left in zip(cut, images.numpy(), tops.tolist(), lefts.tolist(), strict=True):
        into[:] = image[top : top + height, left : left + width]
    return torch.from_numpy(cut)


def _gathered(images: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """The same in one step, for a GPU."""
    rows = beside(tops, images)[:, None] + torch.arange(height, device=images.device)  # [B, H]
    columns = beside(lefts, images)[:, None] + torch.arange(width, device=images.device)  # [B, W]
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return images[each, rows[:, :, None], columns[:, None, :]]


def _mirrored(images: Tensor, pad: int, side: int) -> Tensor:
    """Reflection padding of one side, for uint8 too."""
    length = images.shape[side]
    before = images.narrow(side, 1, pad).flip(side)
    after = images.narrow(side, length - pad - 1, pad).flip(side)
    return torch.cat([before, images, after], side)


def _column(values: Tensor, images: Tensor) -> Tensor:
    return beside(values.view(-1, 1, 1, 1), images)


def beside(chance: Tensor, images: Tensor) -> Tensor:
    """A few numbers moved from the CPU to the images' device, without waiting for the device."""
    return chance.to(images.device, non_blocking=True)
