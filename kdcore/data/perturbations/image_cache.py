"""Caches the images of slow sets on disk, one record an image, as far as they have been made; a later evaluation goes on there.

    KD_DATA/perturbed/<key>.images      a record an image, in the order of the split: pixels, texture, checksum
    KD_DATA/perturbed/<key>.lock        held while records are read or added

Records are checked when they are read; from a damaged one on, images are made anew. Deleting a file loses nothing. All files
together take at most KD_PERTURBED_GB: the least recently used are removed. Where the disk is full, images are made each time.
"""

import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from kdcore.files import budget, locks
from kdcore.paths import data_folder
from kdcore.runtime import interruption

LIMIT, DEFAULT_GB = "KD_PERTURBED_GB", 5.0  # 10,000 images of 32 pixels take 0.03 GB
NO_TEXTURES = -2  # as a record's texture: the set gives none; `NO_LABEL`, -1, is an image without a class's texture

Made = tuple[np.ndarray, np.ndarray | None]  # pixels uint8 [m, H, W, 3]; textures int64 [m], None where there are none
Make = Callable[[int, int], Made]  # the images from one place in the split up to another


class ImageCache:
    """A file of images of one set, strength and split.

    Args:
        key: a hash of all that decides the pixels.
        height, width: of an image, in pixels.
    """

    def __init__(self, key: str, height: int, width: int) -> None:
        self.path = data_folder() / "perturbed" / f"{key}.images"
        self.record = np.dtype([("pixels", "u1", (height, width, 3)), ("texture", "<i8"), ("check", "<u4")])

    def images(self, start: int, stop: int, make: Make) -> Made:
        """The images at places [start, stop), read where they are on disk, else made, and added where the file ends before them."""
        with suppress(OSError):  # no space, or a folder that may not be written
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locks.holding(self.path.with_suffix(".lock"), meanwhile=interruption.check):
                if start == 0:
                    self._trim()
                return self._completed(start, stop, make)
        return make(start, stop)

    def _completed(self, start: int, stop: int, make: Make) -> Made:
        found = self._read(start, stop)
        begin = start + len(found)
        if begin == stop:
            return _unpacked(found)
        pixels, textures = make(begin, stop)
        added = self._packed(pixels, textures)
        self._write(begin, added)
        return _unpacked(np.concatenate([found, added]))

    def _read(self, start: int, stop: int) -> np.ndarray:
        """The sound records in [start, stop) up to the first that is missing or damaged."""
        if not self.path.is_file():
            return np.empty(0, self.record)
        offset = start * self.record.itemsize
        count = min(stop * self.record.itemsize, self.path.stat().st_size) - offset
        found = np.fromfile(self.path, self.record, count=max(0, count // self.record.itemsize), offset=offset)
        sound = np.fromiter((check == _checksum(each) for each, check in zip(found, found["check"], strict=True)), bool)
        return found if sound.all() else found[: int(np.argmin(sound))]

    def _write(self, begin: int, added: np.ndarray) -> None:
        """Add records at a place, which is the file's end unless a damaged one is there; none may be missing before them."""
        with suppress(OSError), self.path.open("r+b" if self.path.is_file() else "w+b") as file:
            if file.seek(0, 2) >= begin * self.record.itemsize:
                file.seek(begin * self.record.itemsize)
                file.write(added.tobytes())

    def _packed(self, pixels: np.ndarray, textures: np.ndarray | None) -> np.ndarray:
        found = np.empty(len(pixels), self.record)
        found["pixels"] = pixels
        found["texture"] = NO_TEXTURES if textures is None else textures
        found["check"] = [_checksum(each) for each in found]
        return found

    def _trim(self) -> None:
        """Note that the file is used, and remove the least recently used others beyond the limit."""
        budget.touch(self.path)
        entries = self.path.parent.glob("*.images")
        budget.trim(entries, budget.limit(LIMIT, DEFAULT_GB), keep=self.path, remove=_remove)


def _checksum(record: np.void) -> int:
    return zlib.crc32(record["pixels"].tobytes(), int(record["texture"]) & 0xFFFFFFFF)


def _unpacked(found: np.ndarray) -> Made:
    textures = found["texture"].astype(np.int64)
    without = len(textures) and (textures == NO_TEXTURES).all()
    return np.ascontiguousarray(found["pixels"]), None if without else textures


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
