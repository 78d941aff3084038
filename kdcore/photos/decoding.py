"""Decodes an image file to RGB pixels, or gives the reason why not: for uploads and for the files of a training folder.

The format follows from the content, never from the name. The order of the checks matters: length of the file, structure,
format and size in pixels from the header, and only then the pixels. Pillow's process-wide settings stay as they are: the formats
are opened by their own classes instead of `Image.open` with its process-wide limit.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

import numpy as np
from PIL import (
    AvifImagePlugin,
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
from kdcore.photos import headers, kinds
from kdcore.photos.headers import MAX_PIXELS
from kdcore.photos.messages import COPY_AGAIN, NO_HEIC, Unusable, why_unsupported
from kdcore.photos.modes import on_white, plain_mode

MAX_JPEG_PIXELS = 120_000_000  # a large JPEG is decoded at a fraction of its size

# Pillow's other formats are not supported: some start other programs.
_READERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    kinds.AVIF: AvifImagePlugin.AvifImageFile,
}
_SEVERAL = {
    "TIFF": "It has several pages; the first is used.",
    "HEIF": "It has several images; the main one is used.",
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation; from 5 on width and height are swapped


@dataclass(frozen=True)
class Limits:
    """Limits on the size of a file: MiB, the shorter side in pixels, long side over short side."""

    mib: int
    min_side: int = 1
    max_aspect: float = float("inf")


UPLOADED = Limits(mib=20, min_side=8, max_aspect=32)
OWN = Limits(mib=512)  # a file of the user who runs the program


@dataclass(frozen=True, eq=False)
class Photo:
    """pixels: uint8 [H, W, 3], upright, its longer side at most the requested `side`.
    width, height: of the original image, upright.
    notes: changes that a visitor should see.
    """

    pixels: np.ndarray
    width: int
    height: int
    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """image: RGB, upright. width, height: of the original image, upright. notes: as in `Photo`."""

    image: Image.Image
    width: int
    height: int
    notes: tuple[str, ...]


def read(raw: bytes, name: str, side: int = 1024) -> Photo:
    """Decode a photo in this process, no larger than `side` pixels. The metadata (EXIF, GPS) is dropped.

    Raises:
        BadPhoto: with a message for the visitor; nothing else is raised, whatever the bytes are.
    """
    name = plain_name(name)
    try:
        found = picture(raw, side, UPLOADED, whole=True)
    except Unusable as reason:
        raise refusal(name, reason) from reason.__cause__
    pixels = np.array(found.image)
    plain = ("All of its pixels have one colour; check the file.",) if one_colour(pixels) else ()
    return Photo(pixels, found.width, found.height, name, found.notes + plain)


def one_colour(pixels: np.ndarray) -> bool:
    """Whether all pixels [H, W, 3] are alike, as of a file that was decoded wrongly or never had a picture."""
    return bool((pixels == pixels[0, 0]).all())


def plain_name(name: str) -> str:
    """A file's name for display: no path, no control characters, at most 80 characters."""
    return "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())[:80] or "The file"


def refusal(name: str, reason: Unusable) -> BadPhoto:
    return BadPhoto(f"{name} cannot be {'read' if reason.damaged else 'used'}: {reason}")


def check_length(length: int, limits: Limits) -> None:
    """Raises Unusable for a file of so many bytes."""
    if not length:
        raise Unusable(f"the file is empty. {COPY_AGAIN}")
    if length > limits.mib * 2**20:
        mib = length / 2**20
        raise Unusable(f"the file has {mib:.1f} MiB; at most {limits.mib} MiB are accepted. Make it smaller first.")


def picture(raw: bytes, side: int, limits: Limits, *, whole: bool = False) -> Picture:
    """Decode the image in a file, at a fraction of its size where that is faster.

    Args:
        side: least pixels of each side that are kept, if it has them.
        whole: the longer side is made no larger than `side`.

    Raises:
        Unusable: with the reason; nothing else is raised, whatever the bytes are.
    """
    check_length(len(raw), limits)
    with _as_unusable():
        if reason := headers.too_much(raw):
            raise Unusable(reason)
        image = _opened(raw)
    _check_size(image, raw, limits)
    with _as_unusable():
        return _decoded(image, side, whole)


def _opened(raw: bytes) -> ImageFile.ImageFile:
    """The image with its header read, but no pixels yet."""
    kind = kinds.of(raw[: kinds.HEAD])
    if kind == kinds.HEIC and _heic_reader() is None:
        raise Unusable(NO_HEIC)
    if reader := _heic_reader() if kind == kinds.HEIC else _READERS.get(kind):
        with contextlib.suppress(SyntaxError):  # Pillow's error for another format
            return reader(io.BytesIO(raw))
    raise Unusable(why_unsupported(raw))


def reads_heic() -> bool:
    """Whether HEIC photos can be read here."""
    return _heic_reader() is not None


@cache
def _heic_reader() -> Callable[[io.BytesIO], ImageFile.ImageFile] | None:
    """Pillow has none: that of the package pillow-heif, where it is installed, without registering it for the process."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None
    return HeifImageFile


def _check_size(image: ImageFile.ImageFile, raw: bytes, limits: Limits) -> None:
    width, height = image.size
    most = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
    if width * height > most:
        most_words = f"at most {most // 10**6} million pixels are accepted"
        raise Unusable(f"it has {width} x {height} pixels; {most_words}. Make it smaller first.")
    if min(width, height) < limits.min_side:
        least = limits.min_side
        raise Unusable(f"it has {width} x {height} pixels; at least {least} x {least} are needed. Choose a larger one.")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise Unusable(f"{width} x {height} pixels is too narrow for a square crop. Crop it first.")
    if image.format == "JPEG" and (reason := headers.too_many_scans(raw, width * height)):
        raise Unusable(reason)


def _decoded(image: ImageFile.ImageFile, side: int, whole: bool) -> Picture:
    notes: list[str] = []
    if getattr(image, "is_animated", False):
        notes.append(_SEVERAL.get(image.format or "", "Animated: the first frame is used."))
    width, height = image.size
    if image.format == "JPEG":
        image.draft("RGB", (side, side))  # decodes a large JPEG at 1/2, 1/4 or 1/8, several times faster
    image.load()
    orientation = _orientation(image)
    plain = plain_mode(image, notes)
    if whole:
        plain.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    upright = on_white(plain, notes)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    return Picture(upright, width, height, tuple(notes))


@contextlib.contextmanager
def _as_unusable() -> Iterator[None]:
    """Turn exceptions of decoders into Unusable."""
    try:
        yield
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # a frame larger than its image
        raise Unusable(
            f"it is huge; at most {MAX_PIXELS // 10**6} million pixels are accepted. Make it smaller first."
        ) from error
    except MemoryError as error:
        raise Unusable("decoding it takes too much memory. Make it smaller first.") from error
    except Exception as error:  # decoders raise nearly everything on a damaged file: OSError, SyntaxError, struct.error
        if "too large" in str(error) or "Too much memory" in str(error):  # what a PNG's text or profile unpacks to
            raise Unusable("its text or colour profile is too large. Save it again without metadata.") from error
        raise Unusable(f"the file is damaged or incomplete. {COPY_AGAIN}", damaged=True) from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it is damaged: damaged metadata does not spoil a photo."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF parsers raise nearly everything on damaged metadata
        return 1
