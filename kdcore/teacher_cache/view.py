"""The rows of one view, in two files: the numbers, and a checksum for each row."""

import os
import weakref
import zlib
from pathlib import Path

import numpy as np

Rows = np.ndarray  # float16 [B, width]


class View:
    """Read through memory-mapped files, written by `pwrite`, so that a full disk raises OSError instead of a crash.

    Several processes may write the same rows at once: a row is valid only with its checksum, which includes the
    entry, the view and the image's index.
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
        """The number of images with a row, by their marks."""
        return int(np.count_nonzero(self._marks))

    def read(self, indices: np.ndarray) -> tuple[Rows, np.ndarray]:
        """The rows of some images, and which of them are valid, [B] bool."""
        marks = self._marks[indices]
        valid = marks != 0
        if not valid.any():
            return np.zeros((len(indices), self._rows.shape[1]), np.float16), valid
        rows = self._rows[indices]
        for number in np.flatnonzero(valid):
            valid[number] = self._mark(rows[number], int(indices[number])) == marks[number]
        return rows, valid

    def write(self, indices: np.ndarray, rows: Rows) -> None:
        """Write rows, each before its mark. Raises OSError where the disk is full."""
        for index, row in zip(indices.tolist(), np.ascontiguousarray(rows), strict=True):
            _write(self._numbers, row.data.cast("B"), index * self._row_bytes)
            _write(self._checks, self._mark(row, index).to_bytes(4, "little"), 4 * index)

    def _mark(self, row: np.ndarray, index: int) -> int:
        return zlib.crc32(row.data.cast("B"), zlib.crc32(index.to_bytes(8, "little"), self._seed)) or 1


def _file(owner: View, path: Path, size: int) -> int:
    """A file of `size` bytes, created if missing; parts that were never written take no space on disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    weakref.finalize(owner, os.close, descriptor)
    os.ftruncate(descriptor, size)
    return descriptor


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(28, "No space left on device")
