"""Reads a split's pixels into main memory, or where they do not fit, into a memory-mapped file on disk."""

from collections.abc import Iterator

import numpy as np

from kdcore.data import disk_cache
from kdcore.data.datasets.base import Images, Progress, Report, Source
from kdcore.runtime import memory

SHARE = 0.5  # of the free main memory; networks, their optimizer and other programs need the rest
PART_BYTES = 64 << 20  # read at a time


def read(source: Source, pool: str, places: np.ndarray, size: int, report: Report) -> Images:
    """The images at `places`, in main memory or mapped from disk."""
    identity, needed, free = source.identity(pool, places), len(places) * size * size * 3, memory.free()
    if identity is None:
        return source.read(pool, places, size)
    if needed <= SHARE * free:
        return _in_memory(source, pool, places, size, report)
    report(
        f"{len(places):,} {pool} images of {size} pixels take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of main "
        "memory are free, of which half may be used: they are read from disk during training."
    )
    parts = _parts(source, pool, places, size, report)
    return disk_cache.mapped(identity, parts, len(places), size, report)


def _in_memory(source: Source, pool: str, places: np.ndarray, size: int, report: Report) -> Images:
    pixels = np.empty((len(places), size, size, 3), dtype=np.uint8)
    kept, filled = [np.empty(0, np.int64)], 0
    unreadable: list[str] = []
    for part in _parts(source, pool, places, size, report):
        pixels[filled : filled + len(part.kept)] = part.pixels
        filled += len(part.kept)
        kept.append(part.kept)
        unreadable += part.unreadable
    return Images(pixels[:filled], np.concatenate(kept), unreadable=tuple(unreadable))


def _parts(source: Source, pool: str, places: np.ndarray, size: int, report: Report) -> Iterator[Images]:
    """The images part by part, with `kept` counted from the first image; reports progress and files that are left out."""
    progress = Progress(f"Reading {len(places):,} {pool} images", len(places), report)
    step = max(1, PART_BYTES // (size * size * 3))
    bad: list[str] = []
    plain: list[str] = []
    for start in range(0, len(places), step):
        part = source.read(pool, places[start : start + step], size)
        bad += part.unreadable
        plain += part.plain
        yield Images(part.pixels, part.kept + start, unreadable=part.unreadable)
        progress(min(start + step, len(places)))
    if bad:
        report(f"Left out {len(bad)} of {len(places)} {pool} files that cannot be read: {_listed(bad)}")
    if plain:
        report(f"{len(plain)} of {len(places)} {pool} files have a single colour; check them: {_listed(plain)}")


def _listed(files: list[str]) -> str:
    return "; ".join(files[:20]) + (f"; and {len(files) - 20} more" if len(files) > 20 else "")
