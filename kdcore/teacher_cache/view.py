"""The rows of one view, in two files: the numbers, and a checksum for each row."""

import os
import weakref
import zlib
from pathlib import Path

import numpy as np

Rows = np.ndarray  # float16 [B, width]


class View:
    """Read through memory that is mapped to the files, written by `pwrite`: a full disk is then an OSError and no crash.

    Several processes may write the same rows at once: a row is believed only if it has its checksum, which counts in the
    entry, the view and the image's place too.
    """

    def __init__(self, folder: Path, number: int, images: int, width: int) -> None:
        self._row_bytes = 2 * width
        self._seed = zlib.crc32(f"{folder.name}/{number}".encode())
        paths = folder / f"{number:03d}.rows", folder / f"{number:03d}.marks"
        self._numbers, self._checks = (
            _file(self, path, size) for path, size in zip(paths, (images * self._row_bytes, 4 * images), strict=True)
        )
        self._rows = np.memmap(paths[0], np.float16, "r", shape=(images, width))
        self._marks = np.memmap(paths[1], np.uint32, "r", shape=(images,))

    def filled(self) -> int:
        """How many images have a row, as far as their marks say."""
        return int(np.count_nonzero(self._marks))

    def read(self, places: np.ndarray) -> tuple[Rows, np.ndarray]:
        """The rows of some images, and which of them are whole, [B] bool. A row that is not is not to be used."""
        marks = self._marks[places]
        there = marks != 0
        if not there.any():
            return np.zeros((len(places), self._rows.shape[1]), np.float16), there
        rows = self._rows[places]
        for number in np.flatnonzero(there):
            there[number] = self._mark(rows[number], int(places[number])) == marks[number]
        return rows, there

    def write(self, places: np.ndarray, rows: Rows) -> None:
        """Keep rows, each before its mark. Raises OSError where the disk is full."""
        for place, row in zip(places.tolist(), np.ascontiguousarray(rows), strict=True):
            _write(self._numbers, row.data.cast("B"), place * self._row_bytes)
            _write(self._checks, self._mark(row, place).to_bytes(4, "little"), 4 * place)

    def _mark(self, row: np.ndarray, place: int) -> int:
        return zlib.crc32(row.data.cast("B"), zlib.crc32(place.to_bytes(8, "little"), self._seed)) or 1


def _file(owner: View, path: Path, size: int) -> int:
    """A file of so many bytes, made if it is not there; zeros that were never written take no room on disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    weakref.finalize(owner, os.close, descriptor)
    os.ftruncate(descriptor, size)
    return descriptor


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(28, "No space left on device")
