"""Arrays and images as compact text for the components."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from pages.parts import palette


def colour(network: str) -> str:
    """A network's colour as a CSS variable of the theme."""
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


def enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """A square image uint8 [S, S, 3] at a side of at least `side` pixels, each of its own pixels a sharp square."""
    times = -(-side // len(pixels))
    return pixels if times < 2 else np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)


def density(maps: np.ndarray) -> np.ndarray:
    """Maps [..., H, W] as multiples of their average, so that maps on different grids compare; a uniform map is 1."""
    maps = np.nan_to_num(np.asarray(maps, dtype=np.float32))
    return maps / np.maximum(maps.mean(axis=(-2, -1), keepdims=True), 1e-12)


def scale_for(densities: list[np.ndarray]) -> int:
    """The end of a colour scale that these share: a whole number from 2 to 8; larger values are clipped to it.

    About 3 % of the sharpest map's cells exceed it; a scale to the peak would make every broader map pale.
    """
    return int(np.clip(np.ceil(max(np.quantile(values, 0.97) for values in densities)), 2, 8))


def packed(densities: np.ndarray, most: int) -> str:
    """Values from 0 to `most` as base64 bytes from 0 to 255."""
    return base64_bytes(np.clip(densities * (255 / most), 0, 255).round())


def over(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map, 0 to 1, over its image: the higher, the more opaque, as `components/shared/heat.js` draws it."""
    side = photo.shape[0]
    heat = heat.astype(np.float32).clip(0, 1)  # before it is enlarged, else a peak beyond the scale becomes a block
    heat = cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR)
    colours = cv2.cvtColor(cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    opacity = (0.12 + 0.88 * heat)[:, :, None]
    return (photo * (1 - opacity) + colours * opacity).astype(np.uint8)
