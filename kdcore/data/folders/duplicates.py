"""Files with the same content, byte for byte: sizes are compared first, then hashes, so that few files are read.

The same picture saved again in another format or quality has other bytes and is not found.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

FIRST_BYTES = 65_536


def groups(paths: Sequence[str]) -> list[list[int]]:
    """The places of files with the same content: each group of two or more, in order. Unreadable and empty files are left out."""
    found = _alike([list(range(len(paths)))], lambda place: _size(paths[place]))
    found = _alike(found, lambda place: _digest(paths[place], FIRST_BYTES))
    short = [group for group in found if _size(paths[group[0]]) <= FIRST_BYTES]  # read whole already
    long = [group for group in found if _size(paths[group[0]]) > FIRST_BYTES]
    return sorted(short + _alike(long, lambda place: _digest(paths[place])))


def _alike(candidates: Iterable[list[int]], key: Callable[[int], Hashable]) -> list[list[int]]:
    """The groups split by a key; places without one, or alone with theirs, are dropped."""
    found = []
    for group in candidates:
        by_key: dict[Hashable, list[int]] = defaultdict(list)
        for place in group:
            if value := key(place):
                by_key[value].append(place)
        found += [places for places in by_key.values() if len(places) > 1]
    return found


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _digest(path: str, first: int | None = None) -> bytes:
    try:
        with open(path, "rb") as file:
            if first is not None:
                return hashlib.blake2b(file.read(first), digest_size=16).digest()
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return b""
