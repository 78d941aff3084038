"""What is said of a file that cannot be read as a picture."""

WORKING = "JPEG, PNG, WebP, GIF, BMP and TIFF work."
ANEW = "Copy or download it anew, or save it again as JPEG."


def what_else(raw: bytes) -> str:
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
