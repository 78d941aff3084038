"""Images with the same content, byte for byte: sizes are compared first, then hashes, so that little is read.

The same picture saved again in another format or quality has other bytes and is not found.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from kdcore.data.folders.items import Item, digest, length

FIRST_BYTES = 65_536


def groups(items: Sequence[Item]) -> list[list[int]]:
    """The places of images with the same content: each group of two or more, in order. Unreadable and empty ones are left out."""
    found = _alike([list(range(len(items)))], lambda place: length(items[place]))
    found = _alike(found, lambda place: digest(items[place], FIRST_BYTES))
    short = [group for group in found if length(items[group[0]]) <= FIRST_BYTES]  # read whole already
    long = [group for group in found if length(items[group[0]]) > FIRST_BYTES]
    return sorted(short + _alike(long, lambda place: digest(items[place])))


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
