"""Bytes of any kind to RGB pixels, or a sentence that says why not: for uploads and for the files of a training folder.

The content decides, never the name. The order of the checks matters: length of the file, structure, format and size in pixels
from the header, and only then the pixels. Nothing of Pillow is set for the whole process: the formats are opened by their own
classes, past `Image.open` with its process-wide limit, so that who else uses Pillow neither changes this nor is changed.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from kdcore.errors import BadPhoto
from kdcore.photos import headers
from kdcore.photos.words import ANEW, what_else

MAX_PIXELS = 40_000_000
SAMPLED = 1_000_000  # values, of which percentiles are taken
MAX_JPEG_PIXELS = 120_000_000  # a large JPEG is decoded at a fraction of its size

# The first bytes -> who reads the rest. Every other format of Pillow stays out: some start other programs.
_READERS: tuple[tuple[bytes, Callable[[io.BytesIO], ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),  # also the first picture of an MPO
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    *((start, TiffImagePlugin.TiffImageFile) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((b"P%d" % kind, PpmImagePlugin.PpmImageFile) for kind in range(1, 7)),
)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation; from 5 on width and height change places


@dataclass(frozen=True)
class Limits:
    """What a file may have at most, and at least."""

    mib: int
    min_side: int = 1
    max_aspect: float = float("inf")


UPLOADED = Limits(mib=20, min_side=8, max_aspect=32)
OWN = Limits(mib=512)  # a file of whoever runs this


class Unusable(Exception):
    """Why a file is not read, without its name; `damaged` where it once could have been."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        super().__init__(reason)
        self.damaged = damaged


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


@dataclass(frozen=True, eq=False)
class Picture:
    """image: RGB, upright. width, height: of the file's own picture, upright. notes: as in `Photo`."""

    image: Image.Image
    width: int
    height: int
    notes: tuple[str, ...]


def read(raw: bytes, name: str, side: int = 1024) -> Photo:
    """Decode a photo in this process, no larger than `side` pixels. The metadata (EXIF, GPS) is dropped.

    Raises:
        BadPhoto: with one sentence for the visitor; nothing else is raised, whatever the bytes are.
    """
    name = plain_name(name)
    try:
        found = picture(raw, side, UPLOADED, whole=True)
    except Unusable as reason:
        raise refusal(name, reason) from reason.__cause__
    return Photo(np.array(found.image), found.width, found.height, name, found.notes)


def plain_name(name: str) -> str:
    """A file's name as it may be shown: no path, no control characters, not long."""
    return "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())[:80] or "The file"


def refusal(name: str, reason: Unusable) -> BadPhoto:
    return BadPhoto(f"{name} cannot be {'read' if reason.damaged else 'used'}: {reason}")


def check_length(length: int, limits: Limits) -> None:
    """Raises Unusable for a file of so many bytes."""
    if not length:
        raise Unusable(f"the file is empty. {ANEW}")
    if length > limits.mib * 2**20:
        mib = length / 2**20
        raise Unusable(f"the file has {mib:.1f} MiB; at most {limits.mib} MiB are taken. Make it smaller first.")


def picture(raw: bytes, side: int, limits: Limits, *, whole: bool = False) -> Picture:
    """The picture in a file, decoded at a fraction of its size where that is cheaper.

    Args:
        side: pixels that it keeps at least of each side, if it has them.
        whole: the longer side is made no larger than `side`.

    Raises:
        Unusable: with the reason; nothing else is raised, whatever the bytes are.
    """
    check_length(len(raw), limits)
    with _in_words():
        if reason := headers.too_much(raw):
            raise Unusable(reason)
        image = _opened(raw)
    _check_size(image, raw, limits)
    with _in_words():
        return _decoded(image, side, whole)


def _opened(raw: bytes) -> ImageFile.ImageFile:
    """The header read, no pixels yet."""
    for start, reader in _READERS:
        if raw.startswith(start):
            try:
                return reader(io.BytesIO(raw))
            except SyntaxError:  # how Pillow says that it is not that format after all
                break
    raise Unusable(what_else(raw))


def _check_size(image: ImageFile.ImageFile, raw: bytes, limits: Limits) -> None:
    width, height = image.size
    most = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
    if width * height > most:
        most_words = f"at most {most // 10**6} million pixels are taken"
        raise Unusable(f"it has {width} x {height} pixels; {most_words}. Make it smaller first.")
    if min(width, height) < limits.min_side:
        least = limits.min_side
        raise Unusable(f"it has {width} x {height} pixels; at least {least} x {least} are needed. Take a larger one.")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise Unusable(f"{width} x {height} pixels is too narrow a strip for a network's square view. Crop it first.")
    if image.format == "JPEG" and (reason := headers.too_many_scans(raw, width * height)):
        raise Unusable(reason)


def _decoded(image: ImageFile.ImageFile, side: int, whole: bool) -> Picture:
    notes: list[str] = []
    if getattr(image, "is_animated", False):
        pages = "It has several pages; the first is used."
        notes.append(pages if image.format == "TIFF" else "Animated: the first frame is used.")
    width, height = image.size
    if image.format == "JPEG":
        image.draft("RGB", (side, side))  # decodes a large JPEG at 1/2, 1/4 or 1/8, several times faster
    image.load()
    orientation = _orientation(image)
    plain = _plain_mode(image, notes)
    if whole:
        plain.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    upright = _on_white(plain, notes)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    return Picture(upright, width, height, tuple(notes))


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """What a decoder raises, as Unusable."""
    try:
        yield
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # a frame larger than its picture
        raise Unusable(
            f"it is huge; at most {MAX_PIXELS // 10**6} million pixels are taken. Make it smaller first."
        ) from error
    except MemoryError as error:
        raise Unusable("it takes more memory to decode than a photo may. Make it smaller first.") from error
    except Exception as error:  # decoders raise nearly everything on a damaged file: OSError, SyntaxError, struct.error
        if "too large" in str(error) or "Too much memory" in str(error):  # what a PNG's text or profile unpacks to
            raise Unusable("its text or colour profile is too large. Save it again without metadata.") from error
        raise Unusable(f"the file is damaged or incomplete. {ANEW}", damaged=True) from error


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
        return _stretch(
            np.asarray(image, dtype=np.float32), (65535,) if image.mode.startswith("I;16") else (1, 255, 65535)
        )
    if image.mode in ("PA", "La", "RGBa") or (image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info):
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            notes.append("Transparent parts are shown on white.")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _stretch(values: np.ndarray, usual: tuple[int, ...]) -> Image.Image:
    """`usual`: the highest values that such a picture may have, for one whose values are all the same."""
    some = values.ravel()[:: (values.size // SAMPLED) | 1]  # sorting 40 million takes seconds
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
