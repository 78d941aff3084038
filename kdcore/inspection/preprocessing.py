"""From a photo to a network's input: the middle square, resized."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kdcore.errors import UserError

DISPLAY = 384  # side in pixels of the square that comes back


def square(pixels: np.ndarray) -> Image.Image:
    """The middle of a photo. Cropping, then resizing is the same as resizing the shorter side, then cropping."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise UserError(f"A photo should be uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))


def as_batch(squares: Sequence[Image.Image], image_size: int) -> Tensor:
    """[B, 3, S, S] in [0, 1]; resized as `data.folder` does: bilinear, antialiased."""
    resized = [np.array(s.resize((image_size, image_size), Image.Resampling.BILINEAR)) for s in squares]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255  # channels last in memory


def displayed(square: Image.Image) -> np.ndarray:
    """uint8 [S, S, 3] at display size."""
    return np.asarray(square.resize((DISPLAY, DISPLAY), Image.Resampling.BICUBIC))
