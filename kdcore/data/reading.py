"""A split's pixels read: into main memory where they fit, else once into a file on disk that is mapped into memory."""

from collections.abc import Iterator

import numpy as np

from kdcore.data import disk_cache, memory
from kdcore.data.datasets.base import Images, Progress, Report, Source

SHARE = 0.5  # of the free main memory; networks, their optimizer and other programs need the rest
PART_BYTES = 64 << 20  # read in one go


def read(source: Source, pool: str, places: np.ndarray, size: int, report: Report) -> Images:
    """The images at `places`, whatever their number."""
    identity, needed, free = source.identity(pool, places), len(places) * size * size * 3, memory.free()
    if identity is None:
        return source.read(pool, places, size)
    if needed <= SHARE * free:
        return _held(source, pool, places, size, report)
    report(
        f"{len(places):,} {pool} images of {size} pixels take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of main "
        "memory are free, half of which they may have: they are read from disk while it trains."
    )
    parts = _parts(source, pool, places, size, report)
    return disk_cache.mapped(identity, parts, len(places), size, report)


def _held(source: Source, pool: str, places: np.ndarray, size: int, report: Report) -> Images:
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
    """The images a part at a time, with `kept` counted from the first of all; says how far it is and what is left out."""
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
        report(f"{len(plain)} of {len(places)} {pool} files are one colour all over; look at them: {_listed(plain)}")


def _listed(files: list[str]) -> str:
    return "; ".join(files[:20]) + (f"; and {len(files) - 20} more" if len(files) > 20 else "")
