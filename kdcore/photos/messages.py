"""Messages about files that are not images in a supported format."""

from kdcore.photos import kinds

SUPPORTED = "Supported: JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF."
NO_HEIC = (
    "it is a HEIC photo, as iPhones take them, and the package pillow-heif, which reads them, is not installed: "
    f"`pip install pillow-heif`, or export it as JPEG. {SUPPORTED}"
)
COPY_AGAIN = "Copy or download it again, or save it again as JPEG."


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
    if text.startswith((b"<!doctype", b"<html")):
        return f"it is a web page, perhaps an error page saved instead of an image. Save the image itself. {SUPPORTED}"
    if head.isascii() and b"\0" not in head:
        return f"it is text, not an image. {SUPPORTED}"
    return f"its content is not an image in a supported format. {SUPPORTED}"
