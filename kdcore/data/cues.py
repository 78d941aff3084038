"""`cues`: pictures drawn by code, in which shape and texture are two cues to choose from. Works without any download.

The label is the shape. Each shape has a texture of its own (the one at the same place in the list), and
`texture_agreement` says how often a training image wears it: 0.1 is what chance gives, at 1.0 the texture tells the label
as well as the shape does. In the test split textures come by chance; in `cue_conflict` a shape never wears its own.
"""

import hashlib
import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from kdcore.data import drawing
from kdcore.data.source import Images, Progress, Report, quiet
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe

TRAIN_IMAGES, TEST_IMAGES = 20_000, 2_000  # unless the recipe says how many
POOLS = ("train", "test", "cue_conflict")
Arrays = dict[str, np.ndarray]  # images uint8 [n, S, S, 3], textures int64 [n], masks bool [n, S, S]


class Cues:
    """A `Source` that draws what is asked for, once, and keeps it in the data folder."""

    classes = tuple(drawing.SHAPES)
    pools = POOLS

    def __init__(self, data: DataRecipe, report: Report = quiet) -> None:
        self.data = data
        self.report = report

    def targets(self, pool: str) -> np.ndarray:
        wanted, usual = (
            (self.data.train_images, TRAIN_IMAGES) if pool == "train" else (self.data.test_images, TEST_IMAGES)
        )
        return np.arange(wanted or usual) % len(self.classes)

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        agreement = self.data.texture_agreement if pool == "train" else 0.1
        n = len(self.targets(pool))
        path = _kept(pool, n, size, self.data.seed, agreement)
        arrays = _recalled(path)
        if arrays is None:
            arrays = drawn(pool, n, size, self.data.seed, agreement, self.report)
            _keep(path, arrays, self.report)
        return Images(
            pixels=arrays["images"][places],
            kept=np.arange(len(places)),
            extras={"textures": arrays["textures"][places], "masks": arrays["masks"][places]},
        )

    def identity(self, pool: str, places: np.ndarray) -> None:
        """They are drawn at once, with their masks."""


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
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:  # OpenCV and numpy work outside Python's lock
        for part, _ in zip(parts, threads.map(draw, parts), strict=True):
            progress(part.stop)
    return arrays


def _texture(pool: str, shape: int, agreement: float, random: np.random.Generator) -> int:
    own, other = random.random() < agreement, int(random.integers(1, len(drawing.TEXTURES)))
    if own and pool != "cue_conflict":
        return shape
    return (shape + other) % len(drawing.TEXTURES)


@cache
def _version() -> str:
    """Changes when the drawing does."""
    code = b"".join(Path(file).read_bytes() for file in (drawing.__file__, __file__))
    return hashlib.sha256(code + cv2.__version__.encode() + np.__version__.encode()).hexdigest()[:10]


def _kept(pool: str, n: int, size: int, seed: int, agreement: float) -> Path:
    """Where the images are kept; the name says everything that decides them."""
    return data_folder() / "cues" / f"{pool}-{size}px-{n}-seed{seed}-agreement{agreement:g}-{_version()}.npz"


def _recalled(path: Path) -> Arrays | None:
    """What was kept, or None where there is nothing or the file is damaged (its checksums do not fit)."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            images, textures, bits = file["images"], file["textures"], file["masks"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    masks = np.unpackbits(bits, axis=1, count=images.shape[1] * images.shape[2]).view(np.bool_)
    return {"images": images, "textures": textures, "masks": masks.reshape(images.shape[:3])}


def _keep(path: Path, arrays: Arrays, report: Report) -> None:
    """Write the images whole or not at all, and drop those that an older version drew."""
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    bits = np.packbits(arrays["masks"].reshape(len(arrays["masks"]), -1), axis=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                np.savez(file, images=arrays["images"], textures=arrays["textures"], masks=bits)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        for old in path.parent.glob(path.name.rsplit("-", 1)[0] + "-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        report(f"The images could not be kept in {path.parent} ({error.strerror}); they will be drawn again next time.")
