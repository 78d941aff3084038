"""The format of an image file, from its first bytes, and the file names that images usually have."""

HEAD = 64  # bytes that decide
AVIF, HEIC = "AVIF", "HEIC"

ENDINGS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".ppm",
    ".pgm", ".pbm", ".pnm", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif",
})  # fmt: skip
_STARTS = {
    b"\xff\xd8\xff": "JPEG",  # also the first image of an MPO
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}


def of(head: bytes) -> str:
    """JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF or HEIC; empty where the first bytes are those of none."""
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#" and len(head) > 2:
        return "PPM"
    return _of_brands(head)


def _of_brands(head: bytes) -> str:
    """HEIC and AVIF share a container; the brands in its first box tell them apart, and both from videos."""
    if head[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
    if brands & _AVIF_BRANDS:
        return AVIF
    return HEIC if head[8:12] in _HEIC_BRANDS else ""
