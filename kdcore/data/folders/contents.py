"""What a folder of images holds: classes, the files of each split, and what is left out and why; compact, for millions of files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kdcore.data.folders import names, walking
from kdcore.data.folders.walking import LeftOut, Stamp, stamp
from kdcore.errors import UserError

SETTLED_NS = (
    2_000_000_000  # a folder that changed later than this before it was read may change again within one clock tick
)


class Names(Sequence[str]):
    """Names as one block of bytes, each ended by a null byte, which no file name has: a tenth of the memory of a list.

    blob: uint8 [bytes]. ends: int64 [n], the places of the null bytes.
    """

    def __init__(self, blob: np.ndarray, ends: np.ndarray) -> None:
        self.blob, self.ends = blob, ends
        self._bytes = blob.data  # whose slices take half as long

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Names":
        blob = bytearray()
        ends: list[int] = []
        for text in texts:
            blob += os.fsencode(text)
            ends.append(len(blob))
            blob.append(0)
        return cls(np.frombuffer(blob, np.uint8), np.array(ends, np.int64))

    @classmethod
    def joined(cls, parts: Sequence["Names"]) -> "Names":
        starts = np.cumsum([0, *(len(part.blob) for part in parts)])
        ends = [part.ends + start for part, start in zip(parts, starts, strict=False)]
        return cls(
            np.concatenate([np.empty(0, np.uint8), *(part.blob for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *ends]),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        return os.fsdecode(self.raw(range(len(self.ends))[place]))

    def raw(self, place: int) -> bytes:
        """A name as the file system has it; `place` is not negative."""
        start = self.ends.item(place - 1) + 1 if place else 0
        return bytes(self._bytes[start : self.ends.item(place)])

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))

    def places(self, wanted: Iterable[str]) -> list[int]:
        """The places of some names; those that are not among them are left out."""
        whole = b"\0" + self.blob.tobytes()
        found = (whole.find(b"\0" + os.fsencode(name) + b"\0") for name in wanted)
        return [int(np.searchsorted(self.ends, at)) for at in found if at >= 0]


@dataclass(frozen=True)
class Pool:
    """The images of a split.

    folder: relative to the root, empty for the root itself.
    files: relative to the root.
    targets: [n] int64.
    where: numbers for each image, [n] int64 each: those that find it inside of a larger file, or a file's `size` and `changed` (ns),
        as they were when it was listed.
    """

    folder: str
    files: Names
    targets: np.ndarray
    where: dict[str, np.ndarray] = field(default_factory=dict)

    def empty_classes(self, classes: tuple[str, ...]) -> list[str]:
        return [classes[place] for place in np.flatnonzero(np.bincount(self.targets, minlength=len(classes)) == 0)]


@dataclass(frozen=True, eq=False)
class Listing:
    """A folder of images.

    pools: train; test and validation where there are folders for them.
    left_out: what is not used, by reason.
    questions: what looks like a mistake.
    notes: what may surprise.
    stamps: path -> modification time and size of all that was read; a change means that images came or went.
    listed_ns: when reading began.
    """

    root: Path
    classes: tuple[str, ...]
    pools: dict[str, Pool]
    left_out: tuple[LeftOut, ...]
    questions: tuple[str, ...]
    notes: tuple[str, ...]
    stamps: dict[str, Stamp]
    listed_ns: int

    def __len__(self) -> int:
        return sum(len(pool.files) for pool in self.pools.values())

    def check_images(self) -> None:
        """Refuse a training class, or a whole split, without images. Raises UserError."""
        for pool, found in self.pools.items():
            empty = found.empty_classes(self.classes)
            where = names.text(os.path.join(self.root, found.folder).rstrip(os.sep) or os.sep)
            left = walking.in_words(self.left_out)
            if pool == "train" and empty:
                raise UserError(
                    f"The class {empty[0]!r} has no images in {where}: add some (JPEG, PNG, ...), or remove its folder.{left}"
                )
            if len(empty) == len(self.classes):
                looked = ", ".join(os.path.join(where, name) for name in self.classes[:3])
                raise UserError(
                    f"There is no {pool} image: looked in {looked}{', ...' if len(self.classes) > 3 else ''}. Add images, or "
                    f"remove the folder {where}: then {pool} images are taken from the training images.{left}"
                )

    @property
    def settled(self) -> bool:
        """Whether a later change of anything that was read would show in its time of modification."""
        return max(changed for changed, _ in self.stamps.values()) <= self.listed_ns - SETTLED_NS

    def still_valid(self) -> bool:
        """Whether nothing that was read has changed since."""
        try:
            return self.settled and all(stamp(path) == before for path, before in self.stamps.items())
        except OSError:
            return False
