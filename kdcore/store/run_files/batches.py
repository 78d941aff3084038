"""Batches of logged steps: losses and predicted classes of each image, compact, in one file of limited size beside the events.

    runs/<id>/batches.bin     one record a logged step: head, then the columns that it has, each [n]

When the file has reached its limit, every second step is dropped from it. The images themselves follow from seed and step.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdcore.files import atomic
from kdcore.files.reading import read_whole

FILE = "batches.bin"
MOST_BYTES = 8 << 20  # 9,000 steps with batches of 64
MARK = b"KDB1"
HEAD = struct.Struct(
    "<4sQIIII"
)  # mark, step, images, checksum of their indices, columns (a bit each), checksum of the body
COLUMNS = {
    "student_class": "<u2", "student_cross_entropy": "<f2", "student_divergence": "<f2",
    "twin_class": "<u2", "twin_cross_entropy": "<f2", "twin_divergence": "<f2", "teacher_class": "<u2",
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A logged step's batch.

    indices: checksum of the images' indices in their split.
    columns: of `COLUMNS` those that were measured, each [n].
    """

    step: int
    images: int
    indices: int
    columns: dict[str, np.ndarray]


def checksum(indices: np.ndarray) -> int:
    """Of the indices of a batch's images, whole numbers [n]."""
    return zlib.crc32(indices.astype("<i8").tobytes())


def encoded(step: int, indices: np.ndarray, columns: Mapping[str, np.ndarray]) -> bytes:
    """The record of a step."""
    bits, body = 0, b""
    for place, (name, kind) in enumerate(COLUMNS.items()):
        if name in columns:
            bits |= 1 << place
            with np.errstate(over="ignore"):  # a loss above 65,504 is infinite here
                body += np.asarray(columns[name]).astype(kind).tobytes()
    return HEAD.pack(MARK, step, len(indices), checksum(indices), bits, zlib.crc32(body)) + body


def nearest(folder: Path, step: int) -> Record | None:
    """The record whose step is nearest; None where a run has none. Raises OSError where the file cannot be read."""
    there = _records(folder)
    return _decoded(there[min(there, key=lambda own: (abs(own - step), own))]) if there else None


def cut(folder: Path, step: int) -> None:
    """Drop the records after a step, and what a killed process left unfinished. Raises OSError."""
    path = folder / FILE
    if not path.exists():
        return
    kept = {own: raw for own, raw in _records(folder).items() if own <= step}
    if sum(map(len, kept.values())) < path.stat().st_size:
        _write(path, kept)


def thin(folder: Path) -> None:
    """Drop every second record but the last where the file has reached its limit. Raises OSError."""
    if (folder / FILE).stat().st_size >= MOST_BYTES:
        records = sorted(_records(folder).items())
        _write(folder / FILE, dict(records[-1::-2][::-1]))


def _records(folder: Path) -> dict[int, bytes]:
    """Step -> its record, the last one of a step that was taken twice. What follows a damaged record is left out."""
    try:
        content = read_whole(f"{folder}/{FILE}", 2 * MOST_BYTES)
    except FileNotFoundError:
        return {}
    return dict(_split(content))


def _split(content: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + HEAD.size <= len(content):
        mark, step, images, _, bits, check = HEAD.unpack_from(content, start)
        end = start + HEAD.size + images * sum(np.dtype(kind).itemsize for _, kind in _columns(bits))
        if mark != MARK or end > len(content) or zlib.crc32(content[start + HEAD.size : end]) != check:
            return
        yield step, content[start:end]
        start = end


def _columns(bits: int) -> list[tuple[str, str]]:
    return [each for place, each in enumerate(COLUMNS.items()) if bits >> place & 1]


def _decoded(raw: bytes) -> Record:
    _, step, images, indices, bits, _ = HEAD.unpack_from(raw)
    columns, start = {}, HEAD.size
    for name, kind in _columns(bits):
        columns[name] = np.frombuffer(raw, kind, images, start)
        start += columns[name].nbytes
    return Record(step, images, indices, columns)


def _write(path: Path, records: Mapping[int, bytes]) -> None:
    with atomic.replacing(path, durable=False) as temporary:
        temporary.write_bytes(b"".join(raw for _, raw in sorted(records.items())))
