"""Decodes the files of a folder before a run, to name those that cannot be read; what was found is remembered.

A file counts as known while its size and modification time stay as they were.
"""

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from kdcore import paths, photos
from kdcore.data.datasets.base import Progress, Report, quiet
from kdcore.errors import NotAllowed, UserError
from kdcore.files import disk

MOST_KNOWN = 200_000  # files; then all are forgotten
SIDE = 32  # decoded no larger than needed
ONE_COLOUR = "one colour"  # what is known of a file that can be read, but is one colour all over

_known: dict[str, tuple[tuple[int, int], str]] = {}  # file -> (its size and modification time, what is known)
_lock = threading.Lock()


def decoded(file: Path | str, size: int) -> np.ndarray:
    """The central square of an image file, upright, RGB: uint8 [size, size, 3]. Subject to the same checks as an upload.

    Raises:
        photos.Unusable: the file is no image that can be read; with the reason.
        OSError: the file cannot be opened.
        NotAllowed: it is a link out of the folders that this server may read.
    """
    photos.check_length(os.stat(paths.allowed(Path(file))).st_size, photos.OWN)
    with open(file, "rb") as opened:
        image = photos.picture(opened.read(), size, photos.OWN).image
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side)))


def read_into(pixels: np.ndarray, file: str) -> str:
    """Decode a file into pixels [size, size, 3]; returns why it cannot be read, ONE_COLOUR, or nothing. Remembers that.

    Raises:
        UserError: the disk or network drive no longer answers.
    """
    try:
        pixels[:] = decoded(file, len(pixels))
        problem = ONE_COLOUR if photos.one_colour(pixels) else ""
    except (photos.Unusable, NotAllowed) as error:
        problem = str(error)
    except OSError as error:
        if words := disk.drive_gone(error, Path(file)):  # no fault of this file: others would be left out as well
            raise UserError(words) from error
        problem = f"it cannot be opened: {error.strerror}"
    if stamp := _stamp(file):
        with _lock:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
            _known[file] = stamp, problem
    return problem


def known(file: str) -> str | None:
    """What is known of a file, as `read_into` returned it; None where it was not decoded yet."""
    found = _known.get(file)
    return found[1] if found and found[0] == _stamp(file) else None


def unreadable(file: str) -> bool:
    """Whether a file is known to be unreadable. Quick for others: looks at the file in this case only."""
    found = _known.get(file)
    return bool(found and found[1] not in ("", ONE_COLOUR) and known(file))


def checked(files: Sequence[str], seconds: float, report: Report = quiet) -> list[str | None]:
    """What is known of each file, after decoding those not known yet for as long as allowed; None: not decoded yet."""
    found = [known(file) for file in files]
    until = time.monotonic() + seconds

    def check(place: int) -> None:
        if time.monotonic() < until:
            found[place] = read_into(np.empty((SIDE, SIDE, 3), np.uint8), files[place])

    unknown = [place for place, each in enumerate(found) if each is None]
    progress = Progress(f"Decoding {len(unknown):,} files", len(unknown) or 1, report)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for done, _ in enumerate(threads.map(check, unknown), 1):
            progress(done)
    return found


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
