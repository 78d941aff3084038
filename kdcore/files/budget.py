"""Limits of folders: caches remove the least recently used entries, kept uploads are refused before the disk is full."""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from kdcore.errors import UserError

GB = 1e9
SPARE = 2 * GB  # of the disk stay free for runs and logs


def limit(variable: str, default: float) -> float:
    """The most bytes of a cache: the environment variable in gigabytes, else the default. Raises UserError."""
    value = os.environ.get(variable) or default
    try:
        most = float(value) * GB
    except ValueError:
        most = -1.0
    if not 0 <= most < float("inf"):
        raise UserError(
            f"{variable} is {value!r}: give a number of gigabytes, for example {default:g}, or unset it."
        ) from None
    return most


def trim(entries: Iterable[Path], most: float, *, keep: Path, remove: Callable[[Path], object], free: int = 0) -> None:
    """Remove entries, the least recently used first, until all of them together take at most so many bytes.

    Args:
        entries: files or folders; their time of modification is that of their last use.
        keep: the entry that is in use; it stays, also where it alone is larger.
        remove: removes an entry, or leaves it where it is in use.
        free: bytes that must become free on the disk besides.
    """
    known = sorted(
        ((used(entry), size(entry), entry) for entry in entries if entry != keep), key=lambda found: found[:2]
    )
    over = sum(taken for _, taken, _ in known) + size(keep) - most
    for _, taken, entry in known:
        if over <= 0 and free <= 0:
            return
        with suppress(OSError):
            remove(entry)
        gone = taken - size(entry)
        over, free = over - gone, free - gone


def size(entry: Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 where it is gone."""
    with suppress(OSError):
        if entry.is_dir():
            return sum(file.stat().st_size for file in entry.iterdir())
        return entry.stat().st_size
    return 0


def used(entry: Path) -> float:
    with suppress(OSError):
        return entry.stat().st_mtime
    return 0.0


def touch(entry: Path) -> None:
    """Note that an entry is used now."""
    with suppress(OSError):
        os.utime(entry)


def check_room(folder: Path, needed: int, *, held: int, most: float, variable: str, what: str) -> None:
    """Refuse files that would exceed the limit of what is kept, or nearly fill the disk.

    Args:
        needed: bytes to be written into the folder.
        held: bytes that are kept already.
        variable: the environment variable that sets `most`.
        what: what is kept, in words: `Imported weights`.

    Raises:
        UserError: with both sizes, and how to free space.
    """
    check_free(folder, needed)
    if held + needed > most:
        raise UserError(
            f"{what} would take {(held + needed) / GB:.1f} GB; {most / GB:g} GB are the most. Remove some, or start the server "
            f"with a larger {variable}."
        )


def check_free(folder: Path, needed: float) -> None:
    """Refuse to write so many bytes where they would nearly fill the disk. Raises UserError."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed + SPARE > free:
        raise UserError(
            f"{needed / GB:.1f} GB would be written and {free / GB:.1f} GB of the disk are free, of which {SPARE / GB:g} GB stay "
            f"free: free some space in {there}."
        )


def total(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none. Links are not followed."""
    found = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += os.lstat(os.path.join(here, name)).st_size
    return found
