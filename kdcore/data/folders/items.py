"""Encoded images wherever they are: a file, or a part of a larger one; each with what changes when its content does."""

import hashlib
import os
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kdcore import paths
from kdcore.data.folders.walking import stamp
from kdcore.errors import NotAllowed
from kdcore.files import reading
from kdcore.photos import OWN, Unusable, check_length


class Item(Protocol):
    """An encoded image.

    key: its name, unlike that of any other image; below the folder or file that it belongs to.
    path: the file that is read.
    """

    @property
    def key(self) -> str: ...

    @property
    def path(self) -> Path: ...

    def stamp(self) -> Hashable:
        """What changes with the content. Raises OSError where it is gone."""
        ...

    def length(self) -> int:
        """Bytes. Raises OSError where it is gone."""
        ...

    def read(self, first: int | None = None) -> bytes:
        """All bytes, or the first so many.

        Raises:
            photos.Unusable: too many, or fewer than there should be.
            OSError: it cannot be read.
            NotAllowed: it is outside the folders that this server may read.
        """
        ...


@dataclass(frozen=True)
class File:
    """An image file."""

    key: str

    @property
    def path(self) -> Path:
        return Path(self.key)

    def stamp(self) -> Hashable:
        return stamp(self.key)

    def length(self) -> int:
        return os.stat(self.key).st_size

    def read(self, first: int | None = None) -> bytes:
        check_length(reading.regular(paths.allowed(self.path)).st_size, OWN)  # a pipe would wait for its writer
        with open(self.key, "rb") as file:
            return file.read(-1 if first is None else first)

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True)
class Part:
    """An image in a larger file, `size` bytes from `offset` on."""

    key: str
    file: str
    offset: int
    size: int

    @property
    def path(self) -> Path:
        return Path(self.file)

    def stamp(self) -> Hashable:
        return (*stamp(self.file), self.offset, self.size)

    def length(self) -> int:
        return self.size

    def read(self, first: int | None = None) -> bytes:
        check_length(self.size, OWN)
        wanted = self.size if first is None else min(first, self.size)
        with open(paths.allowed(self.path), "rb", buffering=0) as file:
            file.seek(self.offset)
            found = file.read(wanted)
        if len(found) < wanted:
            raise Unusable(f"{self.path.name} ends within it: copy that file again.", damaged=True)
        return found

    def __str__(self) -> str:
        return self.key


def digest(item: Item, first: int | None = None) -> bytes:
    """A hash of all bytes, or of the first so many; empty where they cannot be read."""
    try:
        return hashlib.blake2b(item.read(first), digest_size=16).digest()
    except (OSError, NotAllowed, Unusable):
        return b""


def length(item: Item) -> int:
    """Bytes; 0 where it is gone or may not be read."""
    try:
        return item.length()
    except (OSError, NotAllowed, Unusable):
        return 0
