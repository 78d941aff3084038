"""Random windows of images, drawn as torchvision does: parts that are resized to the whole, and patches that are erased.

Resized crops are Szegedy et al., 2015, https://arxiv.org/abs/1409.4842; random erasing is Zhong et al., 2020,
https://arxiv.org/abs/1708.04896.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kdcore.data.augment.basic import beside

ATTEMPTS = 10  # to find a window that fits, before the whole image, or nothing, is taken
ERASED, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)  # area, and height / width, of a patch
Range = tuple[float, float]
Side = tuple[int, int]  # height, width


def parts(images: int, side: Side | Tensor, scale: Range, ratio: Range, generator: torch.Generator) -> Tensor:
    """A part of each image, as top, left, height, width: int64 [images, 4].

    The area is uniform in `scale`, width / height log-uniform in `ratio`. Where ten attempts give nothing that fits, it is the
    largest part in the middle whose aspect ratio is allowed.

    Args:
        side: height and width of all images, or of each: int64 [images, 2].
    """
    sides = side if isinstance(side, Tensor) else torch.tensor(side).expand(images, 2)
    down, across = sides[:, :1], sides[:, 1:]  # [images, 1]
    heights, widths = _sizes(images, (down, across), scale, ratio, generator)
    fits = (heights > 0) & (heights <= down) & (widths > 0) & (widths <= across)
    where = torch.rand(images, 2, generator=generator)
    found = _placed((sides[:, 0], sides[:, 1]), *_first(heights, widths, fits), where)
    for row in (~fits.any(1)).nonzero()[:, 0].tolist():
        found[row] = torch.tensor(_middle((int(sides[row, 0]), int(sides[row, 1])), ratio))
    return found


def patches(images: int, side: Side, probability: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What is erased of each image, int64 [images, 4] as in `parts`, zeros where nothing is; and a colour for each, [images, 3]."""
    widths, heights = _sizes(images, side, ERASED, ERASED_RATIO, generator)
    fits = (heights < side[0]) & (widths < side[1])
    chance = torch.rand(images, 6, generator=generator)
    erases = fits.any(1) & (chance[:, 0] < probability)
    found = _placed(side, *_first(heights, widths, fits), chance[:, 1:3])
    return found * erases[:, None], chance[:, 3:]


def resized(images: Tensor, windows: Tensor) -> Tensor:
    """A part of each image, enlarged to the image's size, bilinear.

    Each image has a matrix for its rows and one for its columns, so that a batch with many windows is two products.

    Args:
        images: uint8 [B, H, W, 3].
        windows: int64 [B, 4], from `parts`.
    """
    count, height, width, channels = images.shape
    top, left, tall, wide = (column.float() for column in beside(windows, images).unbind(1))
    rows = _weights(top, tall, height)  # [B, H, H]
    columns = _weights(left, wide, width)  # [B, W, W]
    found = rows @ images.float().reshape(count, height, width * channels)
    found = found.view(count, height, width, channels).transpose(1, 2).reshape(count, width, height * channels)
    found = (columns @ found).view(count, width, height, channels).transpose(1, 2)
    return found.round_().clamp_(0, 255).byte().contiguous()


def erased(pixels: Tensor, patches: Tensor, colours: Tensor) -> Tensor:
    """Fill a patch of each image with a colour.

    Args:
        pixels: float [B, 3, H, W].
        patches, colours: from `patches`.
    """
    top, left, tall, wide = (column[:, None] for column in beside(patches, pixels).unbind(1))
    rows = torch.arange(pixels.shape[2], device=pixels.device)
    columns = torch.arange(pixels.shape[3], device=pixels.device)
    inside_rows, inside_columns = (rows >= top) & (rows < top + tall), (columns >= left) & (columns < left + wide)
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    filled = pixels.where(~inside, beside(colours, pixels)[:, :, None, None])
    return filled.contiguous(memory_format=torch.channels_last)


def _sizes(
    images: int, side: tuple[Any, Any], scale: Range, ratio: Range, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Sides of windows of random area and aspect ratio, [images, ATTEMPTS] each: sqrt(area / aspect), sqrt(area * aspect)."""
    numbers = torch.rand(images, ATTEMPTS, 2, generator=generator)
    area = side[0] * side[1] * (scale[0] + (scale[1] - scale[0]) * numbers[..., 0])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(low + (high - low) * numbers[..., 1])
    return (area / aspect).sqrt().round().long(), (area * aspect).sqrt().round().long()


def _first(heights: Tensor, widths: Tensor, fits: Tensor) -> tuple[Tensor, Tensor]:
    """The first attempt that fits, [images] each; some attempt where none does."""
    chosen = fits.int().argmax(1, keepdim=True)
    return heights.gather(1, chosen)[:, 0], widths.gather(1, chosen)[:, 0]


def _placed(side: tuple[Any, Any], heights: Tensor, widths: Tensor, where: Tensor) -> Tensor:
    """Windows of these sizes at places uniform over all that are inside the image."""
    tops, lefts = where[:, 0] * (side[0] - heights + 1), where[:, 1] * (side[1] - widths + 1)
    return torch.stack([tops.long(), lefts.long(), heights, widths], dim=1)


def _middle(side: Side, ratio: Range) -> list[int]:
    """The largest part in the middle of an image whose width / height is in `ratio`."""
    height, width = side
    if width / height < ratio[0]:
        height = round(width / ratio[0])
    elif width / height > ratio[1]:
        width = round(height * ratio[1])
    return [(side[0] - height) // 2, (side[1] - width) // 2, height, width]


def _weights(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Matrices [B, side, side] that interpolate `side` places between the `length` places from `start` on.

    There are never more than `side` of these, so that nothing is made smaller, and antialiasing would change nothing.
    """
    scale = (length / side)[:, None, None]
    places = torch.arange(side, device=start.device, dtype=torch.float32)
    centre = scale * (places[None, :, None] + 0.5)  # of each new place, from the start of the window
    place = places[None, None, :] - start[:, None, None]  # of each old one
    weights = (1 - (place - centre + 0.5).abs()).clamp(min=0)
    weights = weights.where((place >= 0) & (place < length[:, None, None]), 0)
    return weights / weights.sum(2, keepdim=True)
