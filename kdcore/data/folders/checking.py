"""Decodes images before a run, to name those that cannot be read; what was found is remembered.

An image counts as known while its size and modification time stay as they were.
"""

import os
import threading
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from kdcore import photos
from kdcore.data import ragged
from kdcore.data.datasets.base import Progress, Report, quiet
from kdcore.data.folders.items import File, Item
from kdcore.errors import NotAllowed, UserError
from kdcore.files import disk
from kdcore.runtime import cores

MOST_KNOWN = 200_000  # images; then all are forgotten
SIDE = 32  # decoded no larger than needed
ONE_COLOUR = "one colour"  # what is known of an image that can be read, but is one colour all over

_known: dict[str, tuple[Hashable, str]] = {}  # key -> (what changes with its content, what is known)
_unreadable: set[str] = set()  # those of them that cannot be read
_lock = threading.Lock()

Named = Item | Path | str  # an image, or the path of its file


def decoded(image: Named, size: int) -> np.ndarray:
    """The central square of an image, upright, RGB: uint8 [size, size, 3]. Subject to the same checks as an upload.

    Raises:
        photos.Unusable: there is no image that can be read; with the reason.
        OSError: the file cannot be opened.
        NotAllowed: it is a link out of the folders that this server may read.
    """
    return _square(photos.picture(_item(image).read(), size, photos.OWN).image, size)


def decoded_whole(image: Named, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The central square, and the image with its shape kept, for crops of `size` pixels. Raises as `decoded`."""
    found = photos.picture(_item(image).read(), ragged.short_side(size), photos.OWN).image
    return _square(found, size), ragged.shrunk(found, size)


def _square(image: Image.Image, size: int) -> np.ndarray:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side)))


def read_into(pixels: np.ndarray, image: Named, wholes: list[np.ndarray] | None = None) -> str:
    """Decode an image into pixels [size, size, 3]; returns why it cannot be read, ONE_COLOUR, or nothing. Remembers that.

    Args:
        wholes: its only entry becomes the image with its shape kept.

    Raises:
        UserError: the disk or network drive no longer answers.
    """
    item = _item(image)
    try:
        if wholes is None:
            pixels[:] = decoded(item, len(pixels))
        else:
            pixels[:], wholes[0] = decoded_whole(item, len(pixels))
        problem = ONE_COLOUR if photos.one_colour(pixels) else ""
    except (photos.Unusable, NotAllowed) as error:
        problem = str(error)
    except OSError as error:
        if words := disk.drive_gone(error, item.path):  # no fault of this file: others would be left out as well
            raise UserError(words) from error
        problem = f"it cannot be opened: {error.strerror}"
    _remember(item, problem)
    return problem


def _remember(item: Item, problem: str) -> None:
    if stamp := _stamp(item):
        with _lock:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
                _unreadable.clear()
            _known[item.key] = stamp, problem
            (_unreadable.discard if problem in ("", ONE_COLOUR) else _unreadable.add)(item.key)


def known(image: Named) -> str | None:
    """What is known of an image, as `read_into` returned it; None where it was not decoded yet."""
    item = _item(image)
    found = _known.get(item.key)
    return found[1] if found and found[0] == _stamp(item) else None


def unreadable(root: str) -> list[str]:
    """The names, below a folder, of images that were found unreadable; they may have been replaced since (see `known`)."""
    start = os.path.join(root, "")
    with _lock:
        return sorted(key.removeprefix(start) for key in _unreadable if key.startswith(start))


def checked(images: Sequence[Named], seconds: float, report: Report = quiet) -> list[str | None]:
    """What is known of each image, after decoding those not known yet for as long as allowed; None: not decoded yet."""
    found = [known(image) for image in images]
    until = time.monotonic() + seconds

    def check(place: int) -> None:
        if time.monotonic() < until:
            found[place] = read_into(np.empty((SIDE, SIDE, 3), np.uint8), images[place])

    unknown = [place for place, each in enumerate(found) if each is None] if seconds else []
    progress = Progress(f"Decoding {len(unknown):,} images", len(unknown) or 1, report)
    with ThreadPoolExecutor(min(8, cores.count())) as threads:
        for done, _ in enumerate(threads.map(check, unknown), 1):
            progress(done)
    return found


def _item(image: Named) -> Item:
    return File(str(image)) if isinstance(image, (str, Path)) else image


def _stamp(item: Item) -> Hashable:
    try:
        return item.stamp()
    except OSError:
        return None
