"""A visitor's photo, from bytes of any kind to RGB pixels or a sentence that says why not.

The content decides, never the name. The order of the checks matters: size of the file, format and size in pixels from
the header, and only then the pixels.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from PIL import ExifTags, Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_MIB = 20
MAX_PIXELS = 40_000_000
MIN_SIDE = 8
MAX_ASPECT = 32
WORKING = "JPEG, PNG, WebP, GIF, BMP and TIFF work."
ANEW = "Copy or download it anew, or save it again as JPEG."

# Process-wide, so set once and here: a warning filter changed around each photo would not be thread-safe.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation; from 5 on width and height change places
_TOO_MANY = f"at most {MAX_PIXELS // 10**6} million pixels are taken. Make it smaller first."


class BadPhoto(ValueError):
    """A file that cannot be used as a photo; the message says why, in words for the visitor."""


@dataclass(frozen=True, eq=False)
class Photo:
    """pixels: uint8 [H, W, 3], upright, its longer side at most the `side` asked for.
    width, height: of the file's own picture, upright.
    notes: what was done to it that a visitor would want to know.
    """

    pixels: np.ndarray
    width: int
    height: int
    name: str
    notes: tuple[str, ...] = ()


def read(raw: bytes, name: str, side: int = 1024) -> Photo:
    """Decode a photo, no larger than `side` pixels. The metadata (EXIF, GPS) is dropped.

    Raises:
        BadPhoto: with one sentence for the visitor; nothing else is raised, whatever the bytes are.
    """
    name = "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())[:80] or "The file"
    try:
        return _read(raw, name, side)
    except _Refused as reason:
        raise BadPhoto(f"{name} cannot be used: {reason}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPhoto(f"{name} cannot be used: it is huge; {_TOO_MANY}") from None
    except Image.UnidentifiedImageError:
        raise BadPhoto(f"{name} cannot be used: {_what_else(raw)}") from None
    except Exception as error:  # decoders raise nearly everything on a damaged file: OSError, SyntaxError, struct.error
        raise BadPhoto(f"{name} cannot be read: the file is damaged or incomplete. {ANEW}") from error


class _Refused(Exception):
    pass


def _read(raw: bytes, name: str, side: int) -> Photo:
    if not raw:
        raise _Refused(f"the file is empty. {ANEW}")
    if len(raw) > MAX_MIB * 2**20:
        raise _Refused(
            f"the file has {len(raw) / 2**20:.1f} MiB; at most {MAX_MIB} MiB are taken. Make it smaller first."
        )

    image: Image.Image = Image.open(io.BytesIO(raw), formats=FORMATS)  # reads the header only
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _Refused(f"it has {width} x {height} pixels; {_TOO_MANY}")
    if min(width, height) < MIN_SIDE:
        raise _Refused(
            f"it has {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed. Take a larger one."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _Refused(f"{width} x {height} pixels is too narrow a strip for a network's square view. Crop it first.")

    notes = []
    if getattr(image, "is_animated", False) and image.format != "MPO":  # MPO: a JPEG with a second view or a preview
        pages = "It has several pages; the first is used."
        notes.append(pages if image.format == "TIFF" else "Animated: the first frame is used.")
    if image.format == "JPEG":
        image.draft("RGB", (side, side))  # decodes a large JPEG at 1/2, 1/4 or 1/8, several times faster
    image.load()
    orientation = _orientation(image)

    image = _plain_mode(image, notes)
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            notes.append("Transparent parts are shown on white.")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    return Photo(np.array(image), width, height, name, tuple(notes))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it is damaged: a photo is worth more than its metadata."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF parsers raise nearly everything on damaged metadata
        return 1


def _plain_mode(image: Image.Image, notes: list[str]) -> Image.Image:
    """One of L, LA, RGB, RGBA: the modes that can be made smaller without loss."""
    if image.mode.startswith(("I", "F")):
        notes.append("Its 16-bit or float values are stretched between their 1st and 99th percentile.")
        return _stretch(np.asarray(image, dtype=np.float32))
    if image.mode in ("PA", "La", "RGBa") or (image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info):
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")


def _stretch(values: np.ndarray) -> Image.Image:
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise _Refused("none of its values is a number.")
    low, high = np.percentile(finite, (1, 99))
    if high <= low:
        low, high = finite.min(), max(finite.max(), finite.min() + 1)
    return Image.fromarray((np.nan_to_num((values - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8))


def _what_else(raw: bytes) -> str:
    """Why a file that no decoder wants is refused, with a way out for what people do upload."""
    head = raw[:1024]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return f"it is a HEIC photo, as iPhones make them. Export it as JPEG; {WORKING}"
    if brand in (b"avif", b"avis"):
        return f"it is an AVIF picture. Save it as JPEG or PNG; {WORKING}"
    if brand or head[:4] == b"\x1aE\xdf\xa3":
        return f"it is a video. Upload a still picture; {WORKING}"
    if text.startswith((b"<svg", b"<?xml")) or b"<svg" in text:
        return f"it is an SVG drawing, which has no pixels. Export it as PNG; {WORKING}"
    if text.startswith(b"%pdf"):
        return f"it is a PDF document. Export the page as PNG or JPEG; {WORKING}"
    if text.startswith((b"<!doctype", b"<html")):
        return f"it is a web page, perhaps an error page saved instead of a picture. Save the picture itself; {WORKING}"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")):
        return f"it starts like a picture, but the rest is damaged or missing. {ANEW}"
    if head.isascii() and b"\0" not in head:
        return f"it is text, not a picture. {WORKING}"
    return f"its content is no picture that can be read here. {WORKING}"
