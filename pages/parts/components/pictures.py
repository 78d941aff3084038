"""Arrays and images as compact text for the components."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from kdcore.export.packing import base64_bytes, density, packed, scale_for
from pages.parts import palette

__all__ = ["base64_bytes", "colour", "data_url", "density", "enlarged", "over", "packed", "scale_for"]


def colour(network: str) -> str:
    """A network's colour as a CSS variable of the theme."""
    return f"var(--st-{palette.COLOURS[network]}-color)"


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


def over(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map, 0 to 1, over its image: the higher, the more opaque, as `components/shared/heat.js` draws it."""
    side = photo.shape[0]
    heat = heat.astype(np.float32).clip(0, 1)  # before it is enlarged, else a peak beyond the scale becomes a block
    heat = cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR)
    colours = cv2.cvtColor(cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    opacity = (0.12 + 0.88 * heat)[:, :, None]
    return (photo * (1 - opacity) + colours * opacity).astype(np.uint8)
