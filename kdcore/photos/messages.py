"""Messages about files that are not images in a supported format."""

SUPPORTED = "Supported: JPEG, PNG, WebP, GIF, BMP and TIFF."
COPY_AGAIN = "Copy or download it again, or save it again as JPEG."


def why_unsupported(raw: bytes) -> str:
    """Why a file that no decoder supports is refused, with a remedy for common kinds of files."""
    head = raw[:1024]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return f"it is a HEIC photo, as iPhones take them. Export it as JPEG. {SUPPORTED}"
    if brand in (b"avif", b"avis"):
        return f"it is an AVIF image. Save it as JPEG or PNG. {SUPPORTED}"
    if brand or head[:4] == b"\x1aE\xdf\xa3":
        return f"it is a video. Upload a still image. {SUPPORTED}"
    if text.startswith((b"<svg", b"<?xml")) or b"<svg" in text:
        return f"it is an SVG drawing, which has no pixels. Export it as PNG. {SUPPORTED}"
    if text.startswith(b"%pdf"):
        return f"it is a PDF document. Export the page as PNG or JPEG. {SUPPORTED}"
    if text.startswith((b"<!doctype", b"<html")):
        return f"it is a web page, perhaps an error page saved instead of an image. Save the image itself. {SUPPORTED}"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")):
        return f"it starts like an image, but the rest is damaged or missing. {COPY_AGAIN}"
    if head.isascii() and b"\0" not in head:
        return f"it is text, not an image. {SUPPORTED}"
    return f"its content is not an image in a supported format. {SUPPORTED}"
