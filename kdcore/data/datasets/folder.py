"""A folder of image files, one subfolder per class, as in torchvision's ImageFolder.

path/CLASS/*.jpg                        a fifth is split off for the test, and a share for validation; stratified, seeded
path/train/CLASS, path/test/CLASS       where there is no `test`, a fifth of `train` is split off for it
path/val/CLASS                          (or valid, validation, dev) used as it is; else split off `train`

Which files count, and what is left out, is decided in `data/folders`.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from kdcore.data import sampling
from kdcore.data.datasets.base import Dataset, Images, Report, quiet
from kdcore.data.folders import checking, names
from kdcore.data.folders.listing import Listing, listed
from kdcore.errors import NotAllowed, UserError
from kdcore.recipe import DataRecipe

TEST_SHARE, TEST_SEED = 0.2, 4

Files = tuple[list[str], np.ndarray]  # the files, relative to the root, and their classes, [n] int64


class Folder(Dataset):
    """Files that are decoded when they are read, and held as uint8 from then on."""

    title = "Your own folder"
    summary = "Your own images on this computer: one folder for each class, named as the class."
    obtained = "folder"
    image_size = 224
    own_keys = frozenset({"path"})

    def __init__(self, data: DataRecipe, report: Report = quiet, *, download: bool = False) -> None:
        super().__init__(data, report, download=download)
        self.root = Path(os.path.expanduser(data.path or ""))
        self.seed = data.seed_of("test")

    def check(self) -> None:
        if not self.data.path:
            raise UserError(
                f"Data {self.data.name!r} needs `path`: a folder that holds one folder of images for each class."
            )

    def class_count(self) -> int | None:
        try:
            return len(self.classes)
        except NotAllowed:
            raise
        except UserError:  # reported by `selection.check`
            return None

    @cached_property
    def listing(self) -> Listing:
        """What the folder holds. Raises UserError."""
        self.check()
        return listed(self.root)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.listing.classes

    @cached_property
    def pools(self) -> tuple[str, ...]:
        return tuple(pool for pool in ("train", "validation", "test") if pool in self.listing.pools or pool == "test")

    def targets(self, pool: str) -> np.ndarray:
        return self._files[pool][1]

    def files(self, pool: str, places: np.ndarray) -> list[str]:
        """The files at `places`, relative to the root."""
        files, _ = self._files[pool]
        return [files[place] for place in places]

    def paths(self, pool: str, places: np.ndarray) -> list[str]:
        """The same with the root, absolute."""
        root = os.path.abspath(self.root)
        return [os.path.join(root, file) for file in self.files(pool, places)]

    def unreadable(self, pool: str, places: np.ndarray) -> np.ndarray:
        return np.array([checking.unreadable(path) for path in self.paths(pool, places)], dtype=np.bool_)

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        pixels = np.empty((len(places), size, size, 3), dtype=np.uint8)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            problems = list(threads.map(checking.read_into, pixels, self.paths(pool, places)))
        shown = [names.text(file) for file in self.files(pool, places)]
        plain = [name for name, problem in zip(shown, problems, strict=True) if problem == checking.ONE_COLOUR]
        bad = [not (not problem or problem == checking.ONE_COLOUR) for problem in problems]
        kept = np.flatnonzero(np.logical_not(bad))
        unreadable = [f"{name} ({why})" for name, why, is_bad in zip(shown, problems, bad, strict=True) if is_bad]
        return Images(pixels[kept] if unreadable else pixels, kept, unreadable=tuple(unreadable), plain=tuple(plain))

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        """The files with their sizes and modification times."""
        digest = hashlib.sha256()
        for file, path in zip(self.files(pool, places), self.paths(pool, places), strict=True):
            try:
                found = os.stat(path)
            except OSError as error:
                raise UserError(f"{names.text(path)} cannot be read any more ({error.strerror}).") from error
            digest.update(
                f"{Path(file).as_posix()}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
            )
        return digest.digest()

    @cached_property
    def _files(self) -> dict[str, Files]:
        self.listing.check_images()
        pools = {pool: (found.files, found.targets) for pool, found in self.listing.pools.items()}
        files, targets = pools["train"]
        if "test" not in pools:
            chosen = sampling.share(targets, TEST_SHARE, (self.seed, TEST_SEED))
            pools["test"] = ([files[i] for i in chosen], targets[chosen])
            rest = np.delete(np.arange(len(files)), chosen)
            pools["train"] = ([files[i] for i in rest], targets[rest])
        return pools
