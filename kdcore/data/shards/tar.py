"""The entries of a tar file, from its headers alone, within limits; whatever the file holds, nothing is unpacked.

Tar as POSIX defines it (ustar and pax), with GNU's long names and large sizes. An entry that is a link, a device or a pipe, and a
name that leads out of the file, are refused with a reason; a damaged header ends the file.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 512
MOST_NAME_BYTES = 65_536  # of a long name, or of a pax header, which holds one
MOST_ENTRIES = 20_000_000  # of one tar file
LINKS, DEVICES = "links inside of shards", "pipes, devices and sparse files inside of shards"
LEADS_OUT = "names that lead out of their shard"
DAMAGED = "shards that are damaged from some byte on"

_FILES, _FOLDER = (b"0", b"\0", b"7"), b"5"
_WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # whatever size their header names
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL = b"L", b"K", b"x", b"g"
_PAX_ENTRY = re.compile(rb"(\d{1,7}) (path|size|GNU\.sparse\.(?:name|map|major))=")
_SPARSE = "GNU.sparse."
_PACKED = (b"\x1f\x8b", b"(\xb5/\xfd", b"\xfd7zXZ", b"BZh", b"PK\3\4")  # gzip, zstd, xz, bzip2, zip


@dataclass(frozen=True)
class Entry:
    """An entry of a tar file. offset, size: its content, in bytes. refused: why it is not used; empty for a plain file."""

    name: str
    offset: int
    size: int
    refused: str = ""


class Damaged(Exception):
    """A header that cannot be read; the message says where."""


def entries(file: int) -> Iterator[Entry]:
    """The files of an open tar file, in order; folders are left out.

    Args:
        file: a file descriptor.

    Raises:
        Damaged: a header is no header, or the file ends within an entry.
        OSError: it cannot be read.
    """
    length, place = os.fstat(file).st_size, 0
    long_name = b""
    pax: dict[str, bytes] = {}
    for _ in range(MOST_ENTRIES):
        header = os.pread(file, BLOCK, place)
        if place == 0 and not header.strip(b"\0"):
            raise Damaged("it is empty")
        if not header:
            raise Damaged("it has no end mark, so it may have been cut off")
        if not header.strip(b"\0"):
            return
        _check(header, place)
        kind, content = header[156:157], place + BLOCK
        name = long_name or pax.get(f"{_SPARSE}name") or pax.get("path") or _name(header)
        size = int(pax["size"]) if "size" in pax else _number(header[124:136], place)
        size = 0 if kind in _WITHOUT_CONTENT else size
        place = content + -(-size // BLOCK) * BLOCK
        if content + size > length:
            raise Damaged(f"it ends within {shown(name)!r}, whose header names {size:,} bytes")
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL):
            if kind in (_LONG_NAME, _PAX):
                raw = _small(file, content, size)
                long_name, pax = (raw.rstrip(b"\0"), pax) if kind == _LONG_NAME else (long_name, _pax(raw))
            continue
        if kind != _FOLDER and not (kind in _FILES and name.endswith(b"/")):
            sparse = any(key.startswith(_SPARSE) for key in pax)
            yield Entry(shown(name), content, size, DEVICES if sparse else _refusal(kind, name))
        long_name, pax = b"", {}
    raise Damaged(f"it has more than {MOST_ENTRIES:,} entries")


def is_packed(file: int) -> bool:
    """Whether an open file begins like a compressed one. Raises OSError."""
    return os.pread(file, 8, 0).startswith(_PACKED)


def shown(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _refusal(kind: bytes, name: bytes) -> str:
    if kind in (b"1", b"2"):
        return LINKS
    if kind not in _FILES:
        return DEVICES
    return LEADS_OUT if name.startswith(b"/") or b".." in name.split(b"/") or b"\0" in name or not name else ""


def _check(header: bytes, place: int) -> None:
    """Raises Damaged where the header's checksum is not that of its bytes."""
    if len(header) < BLOCK:
        raise Damaged(f"it ends within the header at byte {place:,}")
    expected = header[148:156].strip(b" \0")
    found = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if not re.fullmatch(rb"[0-7]+", expected) or int(expected, 8) != found:
        raise Damaged(f"what is at byte {place:,} is no header of a tar file")


def _number(field: bytes, place: int) -> int:
    """An octal number, or GNU's binary one."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise Damaged(f"the header at byte {place:,} has no valid size")
    return int(digits or b"0", 8)


def _name(header: bytes) -> bytes:
    name, prefix = header[:100].split(b"\0", 1)[0], header[345:500].split(b"\0", 1)[0]
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _small(file: int, place: int, size: int) -> bytes:
    if size > MOST_NAME_BYTES:
        raise Damaged(f"the name at byte {place:,} has {size:,} bytes, more than {MOST_NAME_BYTES:,}")
    return os.pread(file, size, place)


def _pax(raw: bytes) -> dict[str, bytes]:
    """What a pax header says of the next entry: its name and size."""
    found: dict[str, bytes] = {}
    place = 0
    while place < len(raw):
        number = re.match(rb"(\d{1,7}) ", raw[place : place + 8])
        if not number or not 5 <= int(number[1]) <= len(raw) - place:
            raise Damaged("a pax header cannot be read")
        line = raw[place : place + int(number[1])]
        if matched := _PAX_ENTRY.match(line):
            found[matched[2].decode()] = line[matched.end() :].removesuffix(b"\n")
        place += int(number[1])
    if not re.fullmatch(rb"\d{1,15}", found.get("size", b"0")):
        raise Damaged("a pax header has no valid size")
    return found
