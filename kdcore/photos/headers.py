"""Refuses image files that would take too long to decode, from their structure alone, before any decoder runs.

A file of a few MiB can ask for hours of work: thousands of scans over the same pixels, millions of empty chunks. Each check
here takes at most time linear in the file's length, and stops early where a limit is passed.
"""

import re
import struct
from collections.abc import Iterator

from kdcore.photos.messages import COPY_AGAIN

MAX_SCANS = 100  # of a JPEG; encoders write 1, or 10 to 20 where it is progressive
MAX_SCANNED_PIXELS = 2_000_000_000  # scans times pixels: 50 million pixels may have 40 scans
MAX_SEGMENTS = 2_000  # before a JPEG's first scan; a 20 MiB profile would take 320
MAX_BETWEEN = 65_536  # bytes between two of them
MAX_CHUNKS = 50_000  # of a PNG; 20 MiB in pieces of 512 bytes take 40,000
MAX_BLOCKS = 200_000  # of a GIF up to its second frame; 20 MiB in full blocks take 82,000
MAX_TAGS = 4_096  # of a TIFF page
MAX_PIECES = 200_000  # strips or tiles of a TIFF page; 50 million pixels in tiles of 16 x 16 take 195,000
MAX_COMMENTS = 1_000  # of a PPM in plain text; Pillow copies what follows each of them
MAX_PIXELS = 50_000_000  # phones take 48 million

_STRIPS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 273, 322, 323, 324  # TIFF tags
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7\x01]")  # what ends a scan's data: not a stuffed byte, not a restart
_NETPBM = re.compile(rb"P[1-6](?:(?:\s|#[^\r\n]*[\r\n])+\d+){2}")  # with width and height
_PLAIN = "as an ordinary"


def too_much(raw: bytes) -> str:
    """Why a file is refused for its structure, whatever its number of pixels; "" where it is not."""
    if raw.startswith(b"\xff\xd8"):
        return _jpeg(raw)
    if raw.startswith(b"\x89PNG"):
        return _more_than(MAX_CHUNKS, _png_chunks(raw), "chunks", "PNG")
    if raw.startswith(b"GIF8"):
        return _more_than(MAX_BLOCKS, _gif_blocks(raw), "blocks", "GIF")
    if raw.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return _tiff(raw)
    if raw[:4] == b"RIFF" and raw[8:16] == b"WEBPVP8X":
        return _webp(raw)
    return _netpbm(raw)


def too_many_scans(raw: bytes, pixels: int) -> str:
    """Why a JPEG of so many pixels is refused for its scans, each of which may touch all of them; "" where it is not."""
    at_most = raw.count(b"\xff\xda")  # also those of a preview, or of a video after the image
    if at_most <= MAX_SCANS and at_most * pixels <= MAX_SCANNED_PIXELS:
        return ""
    scans = sum(kind == 0xDA for kind, _, _ in _jpeg_segments(raw))
    if scans > MAX_SCANS:
        return f"it has {scans:,} scans; at most {MAX_SCANS} are accepted. Save it again {_PLAIN} JPEG."
    if scans * pixels > MAX_SCANNED_PIXELS:
        most = MAX_SCANNED_PIXELS // pixels
        return f"it has {scans} scans of {pixels / 1e6:.0f} million pixels; at most {most} are accepted. Save it again {_PLAIN} JPEG."
    return ""


def _more_than(most: int, parts: Iterator[object], what: str, kind: str) -> str:
    for number, _ in enumerate(parts, 1):
        if number > most:
            return f"it has more than {most:,} {what}. Save it again {_PLAIN} {kind}."
    return ""


def _jpeg(raw: bytes) -> str:
    """Pillow walks what comes before the first scan segment by segment, and between segments byte by byte."""
    end = 2
    for number, (kind, marker, segment_end) in enumerate(_jpeg_segments(raw), 1):
        if kind == 0xDA:
            return ""
        if number > MAX_SEGMENTS or marker - end > MAX_BETWEEN:
            return f"it has more data before its pixels than any camera writes. Save it again {_PLAIN} JPEG."
        end = segment_end
    return f"the file is damaged or incomplete. {COPY_AGAIN}"


def _jpeg_segments(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker, its place, and the end of its segment. A scan's data belong to no segment."""
    place = 2
    while found := _MARKER.search(raw, place):
        kind, start = raw[found.end() - 1], found.end()
        if kind == 0xD9 or start + 2 > len(raw):  # the end of the image, whatever follows
            return
        place = start + (0 if kind == 0xD8 else int.from_bytes(raw[start : start + 2], "big"))
        yield kind, found.start(), place


def _png_chunks(raw: bytes) -> Iterator[bytes]:
    place = 8
    while place + 8 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, place)
        yield kind
        if kind == b"IEND":
            return
        place += 12 + length


def _gif_blocks(raw: bytes) -> Iterator[int]:
    """Blocks and their parts, up to the second image: Pillow reads so far to find out whether it is animated."""
    if len(raw) < 13:
        return
    place = 13 + (3 << (raw[10] & 7) + 1 if raw[10] & 128 else 0)
    images = 0
    while place + 10 < len(raw):
        kind = raw[place]
        yield kind
        if kind == 0x3B:  # the end
            return
        if kind == 0x21:  # an extension and its label
            place += 2
        elif kind == 0x2C:
            images += 1
            if images == 2:
                return
            flags = raw[place + 9]
            place += 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        else:
            place += 1  # unknown to Pillow, which goes on with the next byte
            continue
        while place < len(raw) and raw[place]:
            yield raw[place]
            place += 1 + raw[place]
        place += 1


def _webp(raw: bytes) -> str:
    """Pillow's WebP reader allocates all pixels as soon as it opens a file."""
    width, height = (1 + int.from_bytes(raw[at : at + 3], "little") for at in (24, 27))
    if width * height > MAX_PIXELS:
        most = MAX_PIXELS // 10**6
        return f"it has {width} x {height} pixels; at most {most} million pixels are accepted. Make it smaller first."
    return ""


def _netpbm(raw: bytes) -> str:
    """Pillow reads comments of a header byte by byte, and those among pixels in plain text by copying what follows."""
    if raw[:1] != b"P" or raw[1:2] not in (b"1", b"2", b"3", b"4", b"5", b"6"):
        return ""
    many = raw[1:2] in b"123" and raw.count(b"#") > MAX_COMMENTS
    if many or (b"#" in raw[:MAX_BETWEEN] and not _NETPBM.match(raw[:MAX_BETWEEN]) and len(raw) > MAX_BETWEEN):
        return "it has more comments than programs write. Save it again as PNG."
    return ""


def _tiff(raw: bytes) -> str:
    order, big = ("<" if raw[:2] == b"II" else ">"), raw[2:4] in (b"+\0", b"\0+")
    count_of, entry, width = ("Q", "HHQ", 20) if big else ("H", "HHL", 12)
    try:
        (place,) = struct.unpack_from(order + ("Q" if big else "L"), raw, 8 if big else 4)
        (tags,) = struct.unpack_from(order + count_of, raw, place)
    except (struct.error, OverflowError):
        return ""  # the decoder will report the damage
    if tags > MAX_TAGS:
        return f"it has {tags:,} tags; at most {MAX_TAGS:,} are accepted. Save it again {_PLAIN} TIFF."
    place += struct.calcsize(order + count_of)
    tile = {_TILE_WIDTH: 0, _TILE_HEIGHT: 0}
    for number in range(tags):
        at = place + width * number
        if at + width > len(raw):
            break
        tag, kind, count = struct.unpack_from(order + entry, raw, at)
        if tag in (_STRIPS, _TILES) and count > MAX_PIECES:
            return (
                f"it has {count:,} strips or tiles; at most {MAX_PIECES:,} are accepted. Save it again {_PLAIN} TIFF."
            )
        if tag in tile:
            (tile[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "L"), raw, at + (12 if big else 8))
    if tile[_TILE_WIDTH] * tile[_TILE_HEIGHT] > MAX_PIXELS:
        return f"its tiles have {tile[_TILE_WIDTH]} x {tile[_TILE_HEIGHT]} pixels, too many for memory. Save it again {_PLAIN} TIFF."
    return ""
