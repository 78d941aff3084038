"""Arrays and images as compact text for the components."""

import base64
import io

import numpy as np
from PIL import Image

from pages.parts import palette


def colour(network: str) -> str:
    """A network's colour, as a component's CSS knows it."""
    return f"var(--st-{palette.COLOURS[network]}-color)"


def base64_bytes(array: np.ndarray) -> str:
    """uint8 values of any shape, row by row."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).decode("ascii")


def data_url(pixels: np.ndarray, side: int) -> str:
    """A JPEG of pixels uint8 [H, W, 3], its longer side at most `side`."""
    image, packed = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((side, side))
    image.save(packed, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode("ascii")


def density(maps: np.ndarray) -> np.ndarray:
    """Maps [..., H, W] as multiples of their average, so that maps on different grids compare: an even map is 1 everywhere."""
    maps = np.nan_to_num(np.asarray(maps, dtype=np.float32))
    return maps / np.maximum(maps.mean(axis=(-2, -1), keepdims=True), 1e-12)


def scale_for(densities: list[np.ndarray]) -> int:
    """The end of a colour scale that these share: a whole number from 2 to 8; more is drawn as the end.

    3 % of the sharpest map's cells lie beyond it: with a scale to its very peak, every broader map beside it would be pale.
    """
    return int(np.clip(np.ceil(max(np.quantile(values, 0.97) for values in densities)), 2, 8))


def packed(densities: np.ndarray, most: int) -> str:
    """0 to `most` as 0 to 255."""
    return base64_bytes(np.clip(densities * (255 / most), 0, 255).round())
