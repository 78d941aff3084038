"""The folder of cache entries: opens one, and removes the least recently used others where the limit requires it."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

from kdcore.files import atomic, budget, locks
from kdcore.files.locks import Lock
from kdcore.paths import data_folder

GB = budget.GB
DEFAULT_GB = 20.0
LEFT_FREE = 1 * GB  # of the disk


class NoSpace(Exception):
    """An entry cannot be cached; the message gives the reason."""


def folder() -> Path:
    return data_folder() / "teacher-cache"


def limit() -> float:
    """The most bytes for all entries together: `KD_CACHE_GB`, else 20 GB."""
    return budget.limit("KD_CACHE_GB", DEFAULT_GB)


def open_entry(name: str, key: dict[str, Any], size: int) -> tuple[Path, Lock]:
    """An entry's folder, with space for `size` bytes, locked against removal.

    Raises:
        NoSpace: it does not fit in the limit or on the disk, or the folder cannot be written.
    """
    own, text = folder() / name, json.dumps(key, indent=1, sort_keys=True)
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with locks.holding(own.parent / ".lock"):  # no other process opens or removes an entry meanwhile
            if own.exists() and not _has_key(own, text) and not _remove(own):
                raise NoSpace(f"another process writes to {own}")
            _free_space(own, size)
            own.mkdir(exist_ok=True)
            atomic.write_text(own / "key.json", text, durable=False)  # its date is that of the last use
            return own, _in_use(own)
    except OSError as error:
        raise NoSpace(f"{own.parent} cannot be written ({error.strerror})") from error


def _free_space(own: Path, size: int) -> None:
    """Remove the least recently used entries until this one fits; those in use stay."""
    others = [entry for entry in own.parent.iterdir() if entry.is_dir() and entry != own]
    others.sort(key=_last_used)
    here = _bytes(own, on_disk=True) if own.exists() else 0
    while True:
        over = size + sum(_bytes(entry) for entry in others) - limit()
        short = size - here + LEFT_FREE - shutil.disk_usage(own.parent).free
        if over <= 0 and short <= 0:
            return
        if size > limit():
            raise NoSpace(f"KD_CACHE_GB allows {in_words(limit())} in total")
        removed = next((entry for entry in others if _remove(entry)), None)
        if removed is None:
            raise NoSpace(
                f"the disk has {in_words(shutil.disk_usage(own.parent).free)} left" if short > 0
                else f"KD_CACHE_GB allows {in_words(limit())} in total, and other entries are in use"
            )  # fmt: skip
        others.remove(removed)


def _remove(entry: Path) -> bool:
    """Remove an entry unless it is in use. Returns whether it was removed."""
    held: list[Lock] = []
    try:
        for path in entry.glob("in-use*.lock"):
            lock = locks.acquire(path)
            if lock is None:
                return False
            held.append(lock)
        shutil.rmtree(entry)
        return True
    finally:
        for lock in held:
            lock.release()


def _in_use(entry: Path) -> Lock:
    """A lock that marks an entry as in use: the first free one of in-use.lock, in-use-1.lock, ..., one for each process."""
    numbered = (entry / f"in-use{f'-{number}' if number else ''}.lock" for number in itertools.count())
    return next(lock for path in numbered if (lock := locks.acquire(path)))


def _has_key(entry: Path, text: str) -> bool:
    try:
        return (entry / "key.json").read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


def _bytes(entry: Path, *, on_disk: bool = False) -> int:
    """The size of an entry when it is full; or what it takes on disk now."""
    stats = [file.stat() for file in entry.iterdir()]
    return sum(512 * stat.st_blocks if on_disk else stat.st_size for stat in stats)


def _last_used(entry: Path) -> float:
    try:
        return (entry / "key.json").stat().st_mtime
    except OSError:
        return 0.0


def in_words(size: float) -> str:
    """`412 bytes`, `165 MB`, `3.3 GB`."""
    for unit, name in ((GB, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 100 * unit else f"{size / unit:,.0f} {name}"
    return f"{size:.0f} bytes"
