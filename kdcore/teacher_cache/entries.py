"""The folder of entries: opening one, and making room for it within a cap, the oldest out first."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.paths import data_folder

GB = 1e9
DEFAULT_GB = 20.0
LEFT_FREE = 1 * GB  # of the disk, for everything else


class NoRoom(Exception):
    """An entry cannot be kept; the message says why."""


class Lock:
    """A shared lock that says that an entry is in use; it ends with `release`, with the object, or with the process."""

    def __init__(self, folder: Path) -> None:
        self._file = _opened(folder / "in-use.lock")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = release


def folder() -> Path:
    return data_folder() / "teacher-cache"


def limit() -> float:
    """Bytes that all entries may take together: `KD_CACHE_GB`, else 20 GB."""
    said = os.environ.get("KD_CACHE_GB") or DEFAULT_GB
    try:
        return float(said) * GB
    except ValueError:
        raise UserError(
            f"KD_CACHE_GB is {said!r}: give a number of gigabytes, for example 20, or leave it out."
        ) from None


def opened(name: str, key: dict[str, Any], size: int) -> tuple[Path, Lock]:
    """An entry's folder, with room for `size` bytes, locked against removal.

    Raises:
        NoRoom: it does not fit under the cap or on the disk, or nothing can be written there.
    """
    own, text = folder() / name, json.dumps(key, indent=1, sort_keys=True)
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with _alone(own.parent):  # nobody else opens or removes an entry meanwhile
            if own.exists() and not _is_about(own, text) and not _removed(own):
                raise NoRoom(f"another process writes in {own}, under the same name")
            _make_room(own, size)
            own.mkdir(exist_ok=True)
            _put(own / "key.json", text)  # also its date: entries are removed by it
            return own, Lock(own)
    except OSError as error:
        raise NoRoom(f"{own.parent} cannot be written ({error.strerror})") from error


def _make_room(own: Path, size: int) -> None:
    """Remove the entries that were used longest ago until another fits; those in use stay."""
    others = [entry for entry in own.parent.iterdir() if entry.is_dir() and entry != own]
    others.sort(key=_last_used)
    here = _bytes(own, on_disk=True) if own.exists() else 0
    while True:
        over = size + sum(_bytes(entry) for entry in others) - limit()
        short = size - here + LEFT_FREE - shutil.disk_usage(own.parent).free
        if over <= 0 and short <= 0:
            return
        if size > limit():
            raise NoRoom(f"KD_CACHE_GB allows {in_words(limit())} in all")
        gone = next((entry for entry in others if _removed(entry)), None)
        if gone is None:
            raise NoRoom(
                f"the disk has {in_words(shutil.disk_usage(own.parent).free)} left" if short > 0
                else f"KD_CACHE_GB allows {in_words(limit())} in all, and other runs use theirs now"
            )  # fmt: skip
        others.remove(gone)


def _removed(entry: Path) -> bool:
    """Remove an entry unless somebody uses it."""
    lock = _opened(entry / "in-use.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(entry)
        return True
    finally:
        os.close(lock)


def _is_about(entry: Path, text: str) -> bool:
    try:
        return (entry / "key.json").read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


def _bytes(entry: Path, *, on_disk: bool = False) -> int:
    """What an entry takes when it is full; or what it takes now."""
    stats = [file.stat() for file in entry.iterdir()]
    return sum(512 * stat.st_blocks if on_disk else stat.st_size for stat in stats)


def _last_used(entry: Path) -> float:
    try:
        return (entry / "key.json").stat().st_mtime
    except OSError:
        return 0.0


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    lock = _opened(root / ".lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _put(path: Path, text: str) -> None:
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def in_words(size: float) -> str:
    """`412 bytes`, `165 MB`, `3.3 GB`."""
    for unit, name in ((GB, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 100 * unit else f"{size / unit:,.0f} {name}"
    return f"{size:.0f} bytes"
