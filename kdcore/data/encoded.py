"""Datasets of a user's own encoded images, in files, shards or tables: listed once, split, and decoded when they are read."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from kdcore.data import sampling
from kdcore.data.datasets.base import Dataset, Images, Report, quiet
from kdcore.data.folders import checking, names
from kdcore.data.folders.contents import Listing, Pool
from kdcore.data.folders.items import Item
from kdcore.data.ragged import Ragged
from kdcore.errors import NotAllowed, UserError
from kdcore.recipe import DataRecipe
from kdcore.runtime import cores

TEST_SHARE, TEST_SEED = 0.2, 4
NOTHING = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Rows:
    """The images of a split: the pool of the listing that they are in, their rows there, and their classes, [n] int64 both."""

    pool: Pool
    rows: np.ndarray
    targets: np.ndarray


class Encoded(Dataset):
    """Images that are decoded when they are read, and held as uint8 from then on. A subclass provides `listing` and `item`."""

    obtained = "folder"
    image_size = 224
    own_keys = frozenset({"path"})
    keeps_shapes = True

    def __init__(self, data: DataRecipe, report: Report = quiet, *, download: bool = False) -> None:
        super().__init__(data, report, download=download)
        self.root = Path(os.path.expanduser(data.path or ""))
        self.seed = data.seed_of("test")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a folder looks like one of these. Reads names only."""
        return False

    @property
    def listing(self) -> Listing:
        """What the folder holds. Raises UserError."""
        raise NotImplementedError

    def item(self, pool: Pool, row: int) -> Item:
        """An image of a pool of the listing."""
        raise NotImplementedError

    @property
    def absolute(self) -> str:
        """The folder that the keys of the images begin with."""
        return os.path.abspath(self.root)

    def fetch(self) -> None:
        """Download what is not on this machine, where it can be; called only where a user asks for that. Raises UserError."""

    def check(self) -> None:
        if not self.data.path:
            raise UserError(f"Data {self.data.name!r} needs `path`: {self.wanted}.")

    def class_count(self) -> int | None:
        try:
            return len(self.classes)
        except NotAllowed:
            raise
        except UserError:  # reported by `selection.check`
            return None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.listing.classes

    @cached_property
    def pools(self) -> tuple[str, ...]:
        return tuple(pool for pool in ("train", "validation", "test") if pool in self.listing.pools or pool == "test")

    def targets(self, pool: str) -> np.ndarray:
        return self._rows[pool].targets

    def files(self, pool: str, places: np.ndarray) -> list[str]:
        """The names of the images at `places`, relative to the root."""
        found = self._rows[pool]
        return [found.pool.files[row] for row in found.rows[places]]

    def items(self, pool: str, places: np.ndarray) -> Sequence[Item]:
        """The images at `places`, each made when it is looked at."""
        found = self._rows[pool]
        return Items(self, found.pool, found.rows[places])

    def unreadable(self, pool: str, places: np.ndarray) -> np.ndarray:
        suspects = checking.unreadable(self.absolute)
        if not suspects:
            return super().unreadable(pool, places)
        found = self._rows[pool]
        bad = [row for row in found.pool.files.places(suspects) if checking.known(self.item(found.pool, row))]
        return np.isin(found.rows[places], bad)

    def read(self, pool: str, places: np.ndarray, size: int, *, whole: bool = False) -> Images:
        pixels = np.empty((len(places), size, size, 3), dtype=np.uint8)
        wholes = [[NOTHING] if whole else None for _ in places]
        with ThreadPoolExecutor(min(8, cores.count())) as threads:
            problems = list(threads.map(checking.read_into, pixels, self.items(pool, places), wholes))
        shown = [names.text(file) for file in self.files(pool, places)]
        plain = [name for name, problem in zip(shown, problems, strict=True) if problem == checking.ONE_COLOUR]
        bad = [not (not problem or problem == checking.ONE_COLOUR) for problem in problems]
        kept = np.flatnonzero(np.logical_not(bad))
        unreadable = [f"{name} ({why})" for name, why, is_bad in zip(shown, problems, bad, strict=True) if is_bad]
        kept_pixels = pixels[kept] if unreadable else pixels
        shapes = Ragged.of([each[0] for place in kept if (each := wholes[place])]) if whole else None
        return Images(kept_pixels, kept, unreadable=tuple(unreadable), plain=tuple(plain), whole=shapes)

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        """The listing's files with their sizes and modification times, and which of their images these are."""
        found = self._rows[pool]
        digest = hashlib.sha256(repr(sorted(self.listing.stamps.items())).encode("utf-8", "surrogateescape"))
        digest.update(f"{type(self).__name__} {found.pool.folder}\0".encode("utf-8", "surrogateescape"))
        digest.update(found.rows[places].astype(np.int64).data)
        return digest.digest()

    @cached_property
    def _rows(self) -> dict[str, Rows]:
        return _split(self.listing, self.seed)


@lru_cache(maxsize=4)
def _split(listing: Listing, seed: int) -> dict[str, Rows]:
    """The images of each split; without test images of its own a fifth of each class is held out for the test."""
    listing.check_images()
    found = {name: Rows(pool, np.arange(len(pool.files)), pool.targets) for name, pool in listing.pools.items()}
    if "test" not in found:
        pool, targets = found["train"].pool, found["train"].targets
        chosen = sampling.share(targets, TEST_SHARE, (seed, TEST_SEED))
        rest = np.delete(np.arange(len(targets)), chosen)
        found["test"] = Rows(pool, chosen, targets[chosen])
        found["train"] = Rows(pool, rest, targets[rest])
    return found


class Items(Sequence[Item]):
    """Images of a dataset, each made when it is looked at: a million of them take the memory of their numbers."""

    def __init__(self, dataset: Encoded, pool: Pool, rows: np.ndarray) -> None:
        self.dataset, self.pool, self.rows = dataset, pool, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Item:  # type: ignore[override]
        return self.dataset.item(self.pool, int(self.rows[place]))

    def __iter__(self) -> Iterator[Item]:
        return (self.dataset.item(self.pool, row) for row in self.rows.tolist())
