"""Reads a split's pixels into main memory, or where they do not fit, into a memory-mapped file on disk."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kdcore.data import disk_cache, ragged
from kdcore.data.datasets.base import Images, Progress, Report, Source
from kdcore.data.ragged import Ragged
from kdcore.runtime import memory

SHARE = 0.5  # of the free main memory; networks, their optimizer and other programs need the rest
PART_BYTES = 64 << 20  # read at a time


def read(source: Source, pool: str, places: np.ndarray, size: int, report: Report, *, whole: bool = False) -> Images:
    """The images at `places`, in main memory or mapped from disk.

    Args:
        whole: with their shape kept beside the squares, where the source can; see `ragged`.
    """
    whole = whole and getattr(source, "keeps_shapes", False)
    identity, free = source.identity(pool, places), memory.free()
    needed = len(places) * _bytes(size, whole)
    if identity is None:
        return source.read(pool, places, size)
    if needed <= SHARE * free:
        return _identified(_in_memory(source, pool, places, size, report, whole), identity, size)
    most = "up to " if whole else ""
    report(
        f"{len(places):,} {pool} images of {size} pixels take {most}{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of main "
        "memory are free, of which half may be used: they are read from disk during training."
    )
    parts = _parts(source, pool, places, size, report, whole)
    return _identified(disk_cache.mapped(identity, parts, len(places), size, report, whole=whole), identity, size)


def _identified(images: Images, identity: bytes, size: int) -> Images:
    """Images with what decides them: the source's files, how they are decoded, and which of them could be."""
    found = hashlib.sha256(identity + f" {disk_cache.FORMAT} {size} ".encode())
    found.update(np.ascontiguousarray(images.kept, dtype=np.int64).data)
    return replace(images, identity=found.hexdigest())


def _bytes(size: int, whole: bool) -> int:
    """What an image takes, at most."""
    return size * size * 3 + (ragged.most_bytes(size) if whole else 0)


def _in_memory(source: Source, pool: str, places: np.ndarray, size: int, report: Report, whole: bool) -> Images:
    pixels = np.empty((len(places), size, size, 3), dtype=np.uint8)
    block = np.empty(len(places) * ragged.most_bytes(size) if whole else 0, dtype=np.uint8)  # taken as it is filled
    kept, filled, used = [np.empty(0, np.int64)], 0, 0
    sizes = [np.empty((0, 2), np.int64)]
    unreadable: list[str] = []
    for part in _parts(source, pool, places, size, report, whole):
        pixels[filled : filled + len(part.kept)] = part.pixels
        filled += len(part.kept)
        if part.whole is not None:
            block[used : used + len(part.whole.block)] = part.whole.block
            used += len(part.whole.block)
            sizes.append(part.whole.sizes)
        kept.append(part.kept)
        unreadable += part.unreadable
    shapes = Ragged(block[:used], np.concatenate(sizes)) if whole else None
    return Images(pixels[:filled], np.concatenate(kept), unreadable=tuple(unreadable), whole=shapes)


def _parts(
    source: Source, pool: str, places: np.ndarray, size: int, report: Report, whole: bool = False
) -> Iterator[Images]:
    """The images part by part, with `kept` counted from the first image; reports progress and files that are left out."""
    progress = Progress(f"Reading {len(places):,} {pool} images", len(places), report)
    step = max(1, PART_BYTES // _bytes(size, whole))
    how = {"whole": True} if whole else {}
    bad: list[str] = []
    plain: list[str] = []
    for start in range(0, len(places), step):
        part = source.read(pool, places[start : start + step], size, **how)
        bad += part.unreadable
        plain += part.plain
        yield Images(part.pixels, part.kept + start, unreadable=part.unreadable, whole=part.whole)
        progress(min(start + step, len(places)))
    if bad:
        report(f"Left out {len(bad)} of {len(places)} {pool} files that cannot be read: {_listed(bad)}")
    if plain:
        report(f"{len(plain)} of {len(places)} {pool} files have a single colour; check them: {_listed(plain)}")


def _listed(files: list[str]) -> str:
    return "; ".join(files[:20]) + (f"; and {len(files) - 20} more" if len(files) > 20 else "")
