"""Cues: images drawn by code, in which both shape and texture may predict the label.

The label is the shape. Each shape has a texture of its own (the one at the same place in the list), and
`texture_agreement` is the share of training images that have it: 0.1 is chance; at 1.0 the texture predicts the label as
well as the shape does. In the test split textures are random; in `cue_conflict` a shape never has its own.
"""

import contextlib
import hashlib
import math
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from kdcore.data import drawing
from kdcore.data.datasets.base import Dataset, Images, Progress, Report, quiet
from kdcore.errors import UserError
from kdcore.files import atomic, budget, locks
from kdcore.paths import data_folder
from kdcore.runtime import cores, interruption, memory

POOLS = ("train", "test", "cue_conflict")
CHANCE = 0.1  # one texture of ten
MOST = 1_000_000  # images of a pool, which are drawn at once
MEMORY_SHARE = 0.5  # of main memory
LIMIT, DEFAULT_GB = "KD_CUES_GB", 2.0  # of all cached images; 20,000 of 64 pixels take 0.26 GB
Arrays = dict[str, np.ndarray]  # images uint8 [n, S, S, 3], textures int64 [n], masks bool [n, S, S]


class Cues(Dataset):
    """Draws what is requested once, and caches it in the data folder."""

    title = "Cues"
    summary = "Ten shapes in ten textures, drawn by code, with the object's pixels known; the label is the shape."
    obtained = "drawn"
    image_size = 64
    classes = tuple(drawing.SHAPES)
    counts: ClassVar = {"train": 20_000, "test": 2_000, "cue_conflict": 2_000}
    own_keys = frozenset({"texture_agreement"})
    has_masks = True

    def notes(self) -> tuple[str, ...]:
        agreement = self.data.texture_agreement
        return (
            (f"In {100 * agreement:.0f} % of them the texture agrees with the shape, which is a shortcut.",)
            if agreement > CHANCE
            else ()
        )

    def check(self) -> None:
        side = self.data.image_size
        needed, there = sum(map(self._count, POOLS)) * side**2 * 4, int(memory.total() * MEMORY_SHARE)  # RGB and mask
        for pool, key in (("train", "train_images"), ("test", "test_images")):
            if (count := self._count(pool)) > MOST:
                raise UserError(f"`data.{key}`: {count:,} images would be drawn; at most {MOST:,} are. Choose fewer.")
        if needed > there:
            raise UserError(
                f"The images would take {needed / 1e9:,.0f} GB of memory, of which {there / 1e9:,.1f} GB may be used here: "
                "choose fewer images (`data.train_images`, `data.test_images`), or a smaller `data.image_size`."
            )

    def targets(self, pool: str) -> np.ndarray:
        return np.arange(self._count(pool)) % len(self.classes)

    def _count(self, pool: str) -> int:
        """How many images of a pool are drawn."""
        wanted = self.data.train_images if pool == "train" else self.data.test_images
        if wanted and self.data.only:  # so many images of some classes take more of all classes
            wanted = math.ceil(wanted / len(self.data.only)) * len(self.classes)
        return wanted or self.counts[pool]

    def to_draw(self, size: int) -> tuple[str, ...]:
        return tuple(pool for pool in ("train", "test") if not _cache_file(pool, *self._drawing(pool, size)).is_file())

    def _drawing(self, pool: str, size: int) -> tuple[int, int, int, float]:
        """What decides the images of a pool: their number and size, the random seed, and the textures' agreement."""
        agreement = self.data.texture_agreement if pool == "train" else CHANCE
        return len(self.targets(pool)), size, self.data.seed_of(pool), agreement

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        drawing = self._drawing(pool, size)
        path = _cache_file(pool, *drawing)
        arrays = _read_cached(path)
        if arrays is None:
            with _alone(path, self.report):  # another process may have drawn them meanwhile
                arrays = _read_cached(path)
                if arrays is None:
                    arrays = drawn(pool, *drawing, self.report)
                    _write_cached(path, arrays, self.report)
        return Images(
            pixels=arrays["images"][places],
            kept=np.arange(len(places)),
            extras={"textures": arrays["textures"][places], "masks": arrays["masks"][places]},
        )


def drawn(pool: str, n: int, size: int, seed: int, agreement: float, report: Report = quiet) -> Arrays:
    """Draw images 0 to n - 1 of a pool. Image i depends on the other arguments and on i, not on n."""
    arrays: Arrays = {
        "images": np.empty((n, size, size, 3), dtype=np.uint8),
        "textures": np.empty(n, dtype=np.int64),
        "masks": np.empty((n, size, size), dtype=np.bool_),
    }

    def draw(places: range) -> None:
        for i in places:
            random = np.random.default_rng((seed, POOLS.index(pool), i))
            shape = i % len(drawing.SHAPES)
            texture = _texture(pool, shape, agreement, random)
            picture = drawing.draw(shape, texture, size, random)
            arrays["images"][i], arrays["textures"][i], arrays["masks"][i] = picture.pixels, texture, picture.mask

    progress = Progress(f"Drawing {n:,} {pool} images of {size} pixels", n, report)
    parts = [range(start, min(start + 100, n)) for start in range(0, n, 100)]
    with ThreadPoolExecutor(min(8, cores.count())) as threads:  # OpenCV and numpy release the GIL
        try:
            for part, _ in zip(parts, threads.map(draw, parts), strict=True):
                progress(part.stop)
        finally:
            threads.shutdown(cancel_futures=True)  # where the run was stopped meanwhile
    return arrays


def _texture(pool: str, shape: int, agreement: float, random: np.random.Generator) -> int:
    own, other = random.random() < agreement, int(random.integers(1, len(drawing.TEXTURES)))
    if own and pool != "cue_conflict":
        return shape
    return (shape + other) % len(drawing.TEXTURES)


@cache
def _version() -> str:
    """A hash of the drawing code: other code draws other images."""
    code = b"".join(Path(file).read_bytes() for file in (drawing.__file__, __file__))
    return hashlib.sha256(code + cv2.__version__.encode() + np.__version__.encode()).hexdigest()[:10]


def _cache_file(pool: str, n: int, size: int, seed: int, agreement: float) -> Path:
    """The file that caches the images; everything that decides them is in its name."""
    return data_folder() / "cues" / f"{pool}-{size}px-{n}-seed{seed}-agreement{agreement:g}-{_version()}.npz"


@contextlib.contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    """Wait while another process draws the same images; where the folder cannot hold a lock, each draws its own."""
    waits, lock = (
        f"Waiting for another process, which draws the {path.name.split('-')[0]} images.",
        path.with_suffix(".lock"),
    )
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locks.holding(lock, waits=lambda: report(waits), meanwhile=interruption.check))
        try:
            yield
        finally:  # who still waits for this file finds the images, or draws them beside others
            with contextlib.suppress(OSError):
                lock.unlink(missing_ok=True)


def _read_cached(path: Path) -> Arrays | None:
    """The cached images; None where there are none or the file is damaged (its checksums do not fit)."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            images, textures, bits = file["images"], file["textures"], file["masks"]
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return None
    budget.touch(path)
    masks = np.unpackbits(bits, axis=1, count=images.shape[1] * images.shape[2]).view(np.bool_)
    return {"images": images, "textures": textures, "masks": masks.reshape(images.shape[:3])}


def _write_cached(path: Path, arrays: Arrays, report: Report) -> None:
    """Write the images whole or not at all; delete those of older versions of the drawing code, and the least recently used
    others where KD_CUES_GB requires it."""
    bits = np.packbits(arrays["masks"].reshape(len(arrays["masks"]), -1), axis=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, images=arrays["images"], textures=arrays["textures"], masks=bits)
        for old in path.parent.glob(path.name.rsplit("-", 1)[0] + "-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
        most = budget.limit(LIMIT, DEFAULT_GB)
        budget.trim(path.parent.glob("*.npz"), most, keep=path, remove=Path.unlink)
    except OSError as error:
        report(
            f"The images could not be cached in {path.parent} ({error.strerror}); they will be drawn again next time."
        )
