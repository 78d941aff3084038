"""An image in any of Pillow's modes as RGB: palettes, transparency, and values of 16 or 32 bits or with a point.

What changes its look is added to `notes`.
"""

import numpy as np
from PIL import Image, ImageChops, TiffImagePlugin

from kdcore.photos.messages import Unusable

SAMPLED = 1_000_000  # values from which percentiles are estimated


def plain_mode(image: Image.Image, notes: list[str]) -> Image.Image:
    """The image in one of the modes L, LA, RGB, RGBA, which can be resized without loss."""
    if image.mode.startswith(("I", "F")):
        notes.append("Its 16-bit or float values are stretched between their 1st and 99th percentile.")
        stretched = _stretch(_deep_values(image), (65535,) if image.mode.startswith("I;16") else (1, 255, 65535))
        return (
            ImageChops.invert(stretched) if _tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else stretched
        )
    if image.mode in ("PA", "La", "RGBa") or (image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info):
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")


def _deep_values(image: Image.Image) -> np.ndarray:
    """The values of a 16-bit, 32-bit or float image as float32. Pillow takes a TIFF's unsigned 32-bit values for signed ones."""
    values = np.asarray(image)
    if image.mode == "I" and _tag(image, TiffImagePlugin.SAMPLEFORMAT) == 1:
        values = values.view(np.uint32)
    return values.astype(np.float32)


def _tag(image: Image.Image, tag: int) -> int | None:
    """The number in a tag of a TIFF, its first where there are several; 1 is the usual sample format. None for other formats."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    found = image.tag_v2.get(tag, 1)
    return found[0] if isinstance(found, tuple) and found else found


def on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """An image of one of these modes as RGB; what is transparent is white."""
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            notes.append("Transparent parts are shown on white.")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _stretch(values: np.ndarray, usual: tuple[int, ...]) -> Image.Image:
    """`usual`: the highest values of such images, for one whose values are all the same."""
    some = values.ravel()[:: (values.size // SAMPLED) | 1]  # sorting 50 million takes seconds
    finite = some[np.isfinite(some)]
    if not finite.size:
        finite = values[np.isfinite(values)]
    if not finite.size:
        raise Unusable("none of its values is a number.")
    low, high = (float(bound) for bound in np.percentile(finite, (1, 99)))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    if high <= low:
        low, high = 0.0, float(next((top for top in usual if high <= top), high))
    with np.errstate(all="ignore"):  # a value far above the percentiles may leave the range of float32
        scaled = (values - low) * (255 / (high - low))
    return Image.fromarray(np.nan_to_num(scaled.clip(0, 255, out=scaled), copy=False).astype(np.uint8))
