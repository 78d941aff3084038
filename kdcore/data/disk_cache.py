"""Caches decoded pixels on disk, for splits that do not fit main memory; later runs map the same file into memory.

    KD_DATA/decoded/<key>/pixels.uint8      [n, S, S, 3], one image after another
    KD_DATA/decoded/<key>/whole.uint8       the same images with their shape kept, one after another, where crops are cut from them
    KD_DATA/decoded/<key>/sizes.int64       [n, 2], the height and width of each of those
    KD_DATA/decoded/<key>/made.json         what the file holds; written last, so without it the file is incomplete
    KD_DATA/decoded/<key>/lock              held while a process writes it; other processes wait

Deleting the folder of a key, or all of `decoded`, loses nothing: the images are decoded again when they are needed. All keys
together take at most KD_DECODED_GB, or what the latest one takes: the least recently used others are removed. Their folders
stay, empty but for the lock, which a process may be waiting for.
"""

import contextlib
import hashlib
import json
import mmap
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kdcore.data import ragged
from kdcore.data.datasets.base import Images, Report
from kdcore.data.ragged import Ragged
from kdcore.errors import UserError
from kdcore.files import atomic, budget, locks
from kdcore.paths import data_folder
from kdcore.runtime import interruption

FORMAT = 2  # increase it to invalidate all files
SAMPLED = 64  # images whose checksums are stored
SPARE_BYTES = 1 << 30  # of the disk, left free for checkpoints and other programs
LIMIT, DEFAULT_GB = "KD_DECODED_GB", 100.0
SHAPED = WHOLE, SIZES = "whole.uint8", "sizes.int64"


def mapped(
    identity: bytes, parts: Iterable[Images], count: int, size: int, report: Report, *, whole: bool = False
) -> Images:
    """The images, mapped from disk; decoded from `parts` first where they are not cached yet.

    Args:
        identity: what decides the pixels, besides their size.
        parts: `count` images of `size` pixels at most, in order.
        whole: they come with their shape kept as well.

    Raises:
        ValueError: the disk has no space for them.
    """
    shapes = f" {ragged.SHORT_SIDE:.3f} {ragged.MOST_ASPECT:g}" if whole else ""
    key = hashlib.sha256(identity + f"{FORMAT} {size}{shapes}".encode()).hexdigest()[:20]
    needed = count * (size * size * 3 + (ragged.most_bytes(size) if whole else 0))
    folder = data_folder() / "decoded" / key
    folder.mkdir(parents=True, exist_ok=True)
    waits = "Another process is decoding the same images; waiting for it."
    with locks.holding(folder / "lock", waits=lambda: report(waits), meanwhile=interruption.check):
        atomic.remove_leftovers(folder)
        made = _read_note(folder, size, whole)
        if made is None:
            _remove_others(folder, needed)
            _check_space(folder, needed)
            made = _written(folder, parts, size, whole)
            taken = (made["count"] * size * size * 3 + made.get("whole_bytes", 0)) / 2**30
            report(
                f"The decoded images are cached in {folder} ({taken:.1f} GiB) for later runs; delete that folder to free the space."
            )
        else:
            report(
                f"The decoded images are read from {folder}, cached by an earlier run; delete that folder to free the space."
            )
        budget.touch(folder)
    kept = np.array(made["kept"], dtype=np.int64) if made["kept"] is not None else np.arange(made["count"])
    shaped = Ragged(_bytes(folder / WHOLE), _sizes(folder)) if whole else None
    unreadable = tuple(made["unreadable"])
    return Images(_map(folder / "pixels.uint8", size), kept, unreadable=unreadable, on_disk=True, whole=shaped)


def _written(folder: Path, parts: Iterable[Images], size: int, whole: bool) -> dict[str, Any]:
    """Write the pixels, then the note. Not through a mapped file, which cannot report a full disk."""
    note, path = folder / "made.json", folder / "pixels.uint8"
    note.unlink(missing_ok=True)
    kept: list[np.ndarray] = [np.empty(0, np.int64)]
    sizes = [np.empty((0, 2), np.int64)]
    unreadable: list[str] = []
    try:
        for name in (path.name, *(SHAPED if whole else ())):  # there is not always space for two
            (folder / name).unlink(missing_ok=True)
        with contextlib.ExitStack() as files:
            file = files.enter_context(_replacing(path))
            block = files.enter_context(_replacing(folder / WHOLE)) if whole else None
            for part in parts:
                file.write(np.ascontiguousarray(part.pixels).data)
                if block and part.whole is not None:
                    block.write(part.whole.block.data)
                    sizes.append(part.whole.sizes)
                kept.append(part.kept)
                unreadable += part.unreadable
        if whole:
            atomic.write_bytes(folder / SIZES, np.concatenate(sizes).tobytes())
    except OSError as error:
        raise UserError(f"The decoded images could not be written to {path}: {error}. {_remedy(folder)}") from error
    rows = np.concatenate(kept)
    made = {
        "count": len(rows),
        "size": size,
        "kept": rows.tolist() if unreadable else None,
        "unreadable": unreadable,
        "checksums": _checksums(_map(path, size)),
    }
    if whole:
        made |= _of_shapes(folder)
    atomic.write_text(note, json.dumps(made))
    return made


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        yield file


def _of_shapes(folder: Path) -> dict[str, Any]:
    """What the note says of the images whose shape is kept. Raises ValueError where the two files do not belong together."""
    found = Ragged(_bytes(folder / WHOLE), _sizes(folder))
    if found.starts[-1] != len(found.block):
        raise ValueError(f"{folder / WHOLE} has {len(found.block)} bytes, not {found.starts[-1]}")
    sums = [zlib.crc32(found[row].data) for row in _sampled(len(found))]
    return {"whole_bytes": len(found.block), "whole_checksums": [zlib.crc32(found.sizes.data), *sums]}


def _read_note(folder: Path, size: int, whole: bool) -> dict[str, Any] | None:
    """The note about a complete file; None where there is none, or where file and note disagree."""
    try:
        made = json.loads((folder / "made.json").read_text(encoding="utf-8"))
        path = folder / "pixels.uint8"
        if path.stat().st_size != made["count"] * size * size * 3:
            return None
        if _checksums(_map(path, size)) != made["checksums"]:
            return None
        if whole and any(made[name] != value for name, value in _of_shapes(folder).items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(made)


def _checksums(pixels: np.ndarray) -> list[int]:
    """Checksums of some images, evenly spaced: those of all would take as long as reading the file."""
    return [zlib.crc32(pixels[row].data) for row in _sampled(len(pixels))]


def _sampled(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(SAMPLED, count)).astype(np.int64))


def _sizes(folder: Path) -> np.ndarray:
    return np.fromfile(folder / SIZES, np.int64).reshape(-1, 2)


def _map(path: Path, size: int) -> np.ndarray:
    """The file as a memory-mapped array [n, S, S, 3]. Changes to the array do not reach the file."""
    return _bytes(path).reshape(-1, size, size, 3)


def _bytes(path: Path) -> np.ndarray:
    """The file as a memory-mapped array of bytes."""
    if not path.stat().st_size:
        return np.empty(0, dtype=np.uint8)
    with path.open("rb") as file:
        # private and writable, since torch accepts no read-only array; without reserving swap, which would fail for
        # a file larger than memory
        flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
        memory = mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return np.frombuffer(memory, dtype=np.uint8)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    for left in (folder / name for name in ("pixels.uint8", *SHAPED)):
        if left.is_file():
            free += left.stat().st_size  # of an incomplete earlier write, to be overwritten
    if needed + SPARE_BYTES > free:
        raise UserError(
            f"The decoded images take {needed / 2**30:.1f} GiB, and the disk of {folder} has {free / 2**30:.1f} GiB free "
            f"(1 GiB of it must stay free). {_remedy(folder)}"
        )


def _remove_others(folder: Path, needed: int) -> None:
    """Remove the least recently used other entries, as far as the limit or the disk requires it. None in vain."""
    here = budget.size(folder)  # of an incomplete earlier write
    most = budget.limit(LIMIT, DEFAULT_GB) - needed + here
    entries = [path.parent for path in folder.parent.glob("*/pixels.uint8") if path.parent != folder]
    short = needed + SPARE_BYTES - here - shutil.disk_usage(folder).free
    if short <= sum(map(budget.size, entries)):
        budget.trim(entries, most, keep=folder, remove=_remove, free=short)


def _remove(entry: Path) -> None:
    """Remove an entry that no process is writing. Processes that have mapped it keep their pixels."""
    if lock := locks.acquire(entry / "lock"):
        with lock:
            for name in ("made.json", "pixels.uint8", *SHAPED):  # without the first, the second counts for nothing
                (entry / name).unlink(missing_ok=True)


def _remedy(folder: Path) -> str:
    others = [file for file in folder.parent.glob("*/pixels.uint8") if file.parent != folder]
    taken = sum(file.stat().st_size for file in others) / 2**30
    old = f"delete folders of {folder.parent} ({taken:.1f} GiB, of other runs, which decode them again when needed), "
    return f"Free some space{': ' + old if others else ', '}set KD_DATA to a larger disk, or choose a smaller `data.image_size` or `data.train_images`."
