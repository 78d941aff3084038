"""RandAugment: a few operations on each image, chosen at random, all of one magnitude.

Cubuk et al., CVPR Workshops 2020, https://arxiv.org/abs/1909.13719; the operations and their ranges are torchvision's.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

MOST = 30  # of the magnitude
Operation = Callable[[Tensor, float], Tensor]


def _sheared(images: Tensor, x: float, y: float) -> Tensor:
    degrees = [math.degrees(math.atan(each)) for each in (x, y)]
    return tv.affine(
        images, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, interpolation=InterpolationMode.BILINEAR,
        center=[0, 0],
    )  # fmt: skip


def _shifted(images: Tensor, x: float, y: float) -> Tensor:
    return tv.affine(
        images, angle=0.0, translate=[int(x), int(y)], scale=1.0, shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip


FARTHEST = 150 / 331  # of the image's side, that it is shifted by
# name -> what it does to uint8 [b, 3, H, W] at a strength in [0, 1], and whether the strength may be negative
OPERATIONS: dict[str, tuple[Operation, bool]] = {
    "identity": (lambda images, strength: images, False),
    "shear_x": (lambda images, strength: _sheared(images, 0.3 * strength, 0), True),
    "shear_y": (lambda images, strength: _sheared(images, 0, 0.3 * strength), True),
    "translate_x": (lambda images, strength: _shifted(images, FARTHEST * images.shape[3] * strength, 0), True),
    "translate_y": (lambda images, strength: _shifted(images, 0, FARTHEST * images.shape[2] * strength), True),
    "rotate": (lambda images, strength: tv.rotate(images, 30 * strength, InterpolationMode.BILINEAR), True),
    "brightness": (lambda images, strength: tv.adjust_brightness(images, 1 + 0.9 * strength), True),
    "color": (lambda images, strength: tv.adjust_saturation(images, 1 + 0.9 * strength), True),
    "contrast": (lambda images, strength: tv.adjust_contrast(images, 1 + 0.9 * strength), True),
    "sharpness": (lambda images, strength: tv.adjust_sharpness(images, 1 + 0.9 * strength), True),
    "posterize": (lambda images, strength: tv.posterize(images, round(8 - 4 * strength)), False),
    "solarize": (lambda images, strength: tv.solarize(images, 255 * (1 - strength)), False),
    "autocontrast": (lambda images, strength: tv.autocontrast(images), False),
    "equalize": (lambda images, strength: tv.equalize(images), False),
}


def draw(images: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` operations for each image, int64 [images, count]: twice the operation's number, and 1 more where the strength is
    negative."""
    chance = torch.rand(images, count, 2, generator=generator)
    return 2 * (chance[..., 0] * len(OPERATIONS)).long() + (chance[..., 1] < 0.5)


def applied(images: Tensor, drawn: Tensor, magnitude: int) -> Tensor:
    """Apply the operations, one after another; the images that have the same one go through it together.

    Args:
        images: uint8 [B, H, W, 3]; may be changed in place.
        drawn: [B, count], from `draw`, on the CPU.
        magnitude: 0 to 30.
    """
    pixels = images.permute(0, 3, 1, 2)  # a view
    for round_of in drawn.T:
        for code in round_of.unique().tolist():
            operation, signed = list(OPERATIONS.values())[code // 2]
            strength = magnitude / MOST * (-1 if signed and code % 2 else 1)
            rows = (round_of == code).nonzero().squeeze(1).to(pixels.device, non_blocking=True)
            images.index_copy_(0, rows, operation(pixels[rows], strength).permute(0, 2, 3, 1))
    return images
