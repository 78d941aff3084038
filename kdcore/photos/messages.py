"""Messages about files that are not images in a supported format, and the exception that has one."""

from kdcore.photos import kinds

SUPPORTED = "Supported: JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF."
NO_HEIC = (
    "it is a HEIC photo, as iPhones take them, and the package pillow-heif, which reads them, is not installed: "
    f"`pip install pillow-heif`, or export it as JPEG. {SUPPORTED}"
)
COPY_AGAIN = "Copy or download it again, or save it again as JPEG."
_OTHERS = {
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image", b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image", b"\xff\x0a": "a JPEG XL image",
    b"8BPS": "a Photoshop file", b"gimp xcf": "a GIMP file",
    b"\0\0\1\0": "an icon", b"v/1\1": "an OpenEXR image", b"#?R": "a Radiance image", b"FUJIFILM": "a camera's raw file",
    b"PF\n": "a PFM image", b"Pf\n": "a PFM image", b"P7\n": "a PAM image", b"\x93NUMPY": "a NumPy array", b"SIMPLE  =": "a FITS image",
    b"PK\3\4": "a ZIP archive", b"\x1f\x8b": "a compressed archive",
}  # fmt: skip


class Unusable(Exception):
    """Why a file is refused, without its name; `damaged` where its format is supported."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        super().__init__(reason)
        self.damaged = damaged


def why_unsupported(raw: bytes) -> str:
    """Why a file that no decoder supports is refused, with a remedy for common kinds of files."""
    head = raw[:1024]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if kinds.of(head) == "TIFF":
        return (
            f"it is a TIFF of a kind that is not supported, or a damaged one. Save it again as PNG or JPEG. {SUPPORTED}"
        )
    if kinds.of(head):
        return f"it starts like an image, but the rest is damaged or missing. {COPY_AGAIN}"
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3":
        return f"it is a video. Use a still image. {SUPPORTED}"
    if text.startswith((b"<svg", b"<?xml")) or b"<svg" in text:
        return f"it is an SVG drawing, which has no pixels. Export it as PNG. {SUPPORTED}"
    if text.startswith(b"%pdf"):
        return f"it is a PDF document. Export the page as PNG or JPEG. {SUPPORTED}"
    if other := next((name for start, name in _OTHERS.items() if head.startswith(start)), ""):
        remedy = "Unpack it first" if "archive" in other else "Save it as PNG or JPEG"
        return f"it is {other}, which is not supported. {remedy}. {SUPPORTED}"
    if text.startswith((b"<!doctype", b"<html")):
        return f"it is a web page, perhaps an error page saved instead of an image. Save the image itself. {SUPPORTED}"
    if head.isascii() and b"\0" not in head:
        return f"it is text, not an image. {SUPPORTED}"
    return f"its content is not an image in a supported format. {SUPPORTED}"
