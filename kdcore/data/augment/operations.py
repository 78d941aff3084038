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
Operation = Callable[[Tensor, int, int], Tensor]


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


def _of(greatest: float, magnitude: int, least: float = 0.0) -> float:
    """A strength at one of the 31 magnitudes, with torchvision's rounding, which decides ties between pixel values."""
    return float(torch.linspace(least, greatest, MOST + 1)[magnitude])


FARTHEST = 150 / 331  # of the image's side, that it is shifted by
# name -> what it does to uint8 [b, 3, H, W], given the magnitude and 1 or -1; and whether it does something else for -1
OPERATIONS: dict[str, tuple[Operation, bool]] = {
    "identity": (lambda images, magnitude, sign: images, False),
    "shear_x": (lambda images, magnitude, sign: _sheared(images, sign * _of(0.3, magnitude), 0), True),
    "shear_y": (lambda images, magnitude, sign: _sheared(images, 0, sign * _of(0.3, magnitude)), True),
    "translate_x": (
        lambda images, magnitude, sign: _shifted(images, sign * _of(FARTHEST * images.shape[3], magnitude), 0), True,
    ),
    "translate_y": (
        lambda images, magnitude, sign: _shifted(images, 0, sign * _of(FARTHEST * images.shape[2], magnitude)), True,
    ),
    "rotate": (
        lambda images, magnitude, sign: tv.rotate(images, sign * _of(30, magnitude), InterpolationMode.BILINEAR), True,
    ),
    "brightness": (lambda images, magnitude, sign: tv.adjust_brightness(images, 1 + sign * _of(0.9, magnitude)), True),
    "color": (lambda images, magnitude, sign: tv.adjust_saturation(images, 1 + sign * _of(0.9, magnitude)), True),
    "contrast": (lambda images, magnitude, sign: tv.adjust_contrast(images, 1 + sign * _of(0.9, magnitude)), True),
    "sharpness": (lambda images, magnitude, sign: tv.adjust_sharpness(images, 1 + sign * _of(0.9, magnitude)), True),
    "posterize": (lambda images, magnitude, sign: tv.posterize(images, round(8 - 4 * magnitude / MOST)), False),
    "solarize": (lambda images, magnitude, sign: tv.solarize(images, 255 * _of(0, magnitude, least=1)), False),
    "autocontrast": (lambda images, magnitude, sign: tv.autocontrast(images), False),
    "equalize": (lambda images, magnitude, sign: tv.equalize(images), False),
}  # fmt: skip


def draw(images: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` operations for each image, int64 [images, count]: twice the operation's number, and 1 more in the negative
    direction."""
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
            operation, _ = list(OPERATIONS.values())[code // 2]
            rows = (round_of == code).nonzero().squeeze(1).to(pixels.device, non_blocking=True)
            images.index_copy_(0, rows, operation(pixels[rows], magnitude, -1 if code % 2 else 1).permute(0, 2, 3, 1))
    return images
