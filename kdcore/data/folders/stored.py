"""Listings in memory and on disk: a folder of millions of images is walked once, and again only after it changed.

    KD_DATA/listings/<key>.npz      names and labels of one folder's images, with a checksum for each array

A listing counts while every folder (or shard) that it was made from has the modification time and the size that it had. A file
that is replaced in place, under the name that it had, changes no folder: `forget` the listing then (`data PATH --anew`).
A damaged file, or one of another version, is made again. All files together take at most KD_LISTINGS_GB: the least recently
used others are removed. Folders of fewer than LEAST images are listed in a moment, so no file is written for them.
"""

import contextlib
import hashlib
import json
import os
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import paths
from kdcore.data.folders.contents import Listing, Names, Pool
from kdcore.data.folders.walking import LeftOut
from kdcore.files import atomic, budget
from kdcore.photos import reads_heic

FORMAT = 4  # increase it to invalidate all files
LEAST = 5_000  # images
LIMIT, DEFAULT_GB = "KD_LISTINGS_GB", 2.0
CACHED = 4  # listings in memory
DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

_cache: OrderedDict[str, Listing] = OrderedDict()
_lock = threading.Lock()


def listing(kind: str, root: Path, make: Callable[[], Listing]) -> Listing:
    """The listing of a folder: from memory or disk where it still holds, else made now.

    Args:
        kind: what makes it, so that a folder may be listed in several ways.

    Raises:
        NotAllowed: the folder is outside those that this server may read.
        UserError: as `make` does.
    """
    absolute = os.path.abspath(paths.allowed(root))
    key = _key(kind, absolute)
    with _lock:
        found = _cache.get(key)
    if found is None:
        found = _read(key, root)
    if found is None or not found.still_valid():
        found = make()
        _write(key, found)
    with _lock:
        _cache[key] = found
        _cache.move_to_end(key)
        while len(_cache) > CACHED:
            _cache.popitem(last=False)
    return found


def forget(kind: str, root: Path) -> None:
    """Remove a folder's listing, so that it is made again. Raises NotAllowed, and OSError where the file cannot be removed."""
    key = _key(kind, os.path.abspath(paths.allowed(root)))
    with _lock:
        _cache.pop(key, None)
    _file(key).unlink(missing_ok=True)


def _key(kind: str, absolute: str) -> str:
    """What a listing depends on, besides what was read: which files are images here, and which links may be followed."""
    allowed = "" if paths.is_allowed(Path("/")) else str(sorted(map(str, paths.allowed_folders())))
    return hashlib.sha256(f"{FORMAT}\0{kind}\0{absolute!r}\0{reads_heic()}\0{allowed}".encode()).hexdigest()[:20]


def _file(key: str) -> Path:
    return paths.data_folder() / "listings" / f"{key}.npz"


def _write(key: str, found: Listing) -> None:
    """Write a listing. Where the disk is full or read-only, the next process makes it again."""
    if len(found) < LEAST or not found.settled:
        return
    path = _file(key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, durable=False) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **_arrays(found))
        others = path.parent.glob("*.npz")
        budget.trim(
            others, budget.limit(LIMIT, DEFAULT_GB), keep=path, remove=lambda entry: entry.unlink(missing_ok=True)
        )


def _arrays(found: Listing) -> dict[str, np.ndarray]:
    words = {
        "classes": found.classes,
        "pools": {name: [pool.folder, sorted(pool.where)] for name, pool in found.pools.items()},
        "left_out": [[each.reason, each.count, each.examples] for each in found.left_out],
        "questions": found.questions,
        "notes": found.notes,
        "stamps": found.stamps,
        "listed_ns": found.listed_ns,
    }
    arrays = {"words": np.frombuffer(json.dumps(words).encode(), np.uint8)}
    for name, pool in found.pools.items():
        arrays |= {f"{name}.names": pool.files.blob, f"{name}.ends": pool.files.ends, f"{name}.targets": pool.targets}
        arrays |= {f"{name}.where.{part}": values for part, values in pool.where.items()}
    return arrays


def _read(key: str, root: Path) -> Listing | None:
    """A listing from disk; None where there is none, or where it is damaged."""
    path = _file(key)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            words = json.loads(arrays["words"].tobytes())
            pools = {name: _pool(arrays, name, folder, where) for name, (folder, where) in words["pools"].items()}
        left_out = tuple(LeftOut(reason, count, tuple(examples)) for reason, count, examples in words["left_out"])
        stamps = {path: (changed, size) for path, (changed, size) in words["stamps"].items()}
        found = Listing(
            root, tuple(words["classes"]), pools, left_out, tuple(words["questions"]), tuple(words["notes"]), stamps,
            words["listed_ns"],
        )  # fmt: skip
        _check(found)
        _check_words(found)
    except DAMAGED:
        return None
    budget.touch(path)
    return found


def _pool(arrays: Any, name: str, folder: str, where: list[str]) -> Pool:
    files = Names(arrays[f"{name}.names"], arrays[f"{name}.ends"])
    return Pool(folder, files, arrays[f"{name}.targets"], {part: arrays[f"{name}.where.{part}"] for part in where})


def _check_words(found: Listing) -> None:
    """Raises ValueError for words of another kind, as after an edit by hand."""
    words = (
        *found.classes,
        *found.questions,
        *found.notes,
        *(word for each in found.left_out for word in (each.reason, *each.examples)),
    )
    numbers = (
        found.listed_ns,
        *(each.count for each in found.left_out),
        *(each for stamp in found.stamps.values() for each in stamp),
    )
    folders = [pool.folder for pool in found.pools.values()]
    if not all(isinstance(word, str) for word in words) or not all(isinstance(number, int) for number in numbers):
        raise ValueError("words and numbers of another kind")
    if not found.stamps or not found.pools or not set(found.pools) <= {"train", "validation", "test"}:
        raise ValueError("nothing that was read, or other splits")
    if any(os.path.isabs(folder) or ".." in Path(folder).parts for folder in folders):
        raise ValueError("a folder elsewhere")


def _check(found: Listing) -> None:
    """Raises ValueError for arrays that do not belong together."""
    for pool in found.pools.values():
        lengths = {len(values) for values in (pool.files.ends, pool.targets, *pool.where.values())}
        whole = pool.files.blob.dtype == np.uint8 and all(
            values.dtype == np.int64 for values in (pool.files.ends, pool.targets, *pool.where.values())
        )
        if not whole or lengths != {len(pool.files)}:
            raise ValueError("arrays of different lengths")
        if len(pool.targets) and not 0 <= pool.targets.min() <= pool.targets.max() < len(found.classes):
            raise ValueError("labels of no class")
        if len(pool.files) and not (
            pool.files.ends[-1] + 1 == len(pool.files.blob) and (np.diff(pool.files.ends) > 0).all()
        ):
            raise ValueError("names that do not end where they should")
