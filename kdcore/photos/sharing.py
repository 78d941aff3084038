"""Shared photos: pixels alone, in a folder under random ids, until an end date; limited in number and size."""

import contextlib
import hashlib
import hmac
import io
import json
import re
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kdcore.errors import UserError
from kdcore.files import atomic, reading
from kdcore.paths import data_folder

DAYS, MOST_DAYS = 1, 30
MOST = 200  # photos
MOST_BYTES = 200 * 2**20  # of all of them
OPERATORS = 0.1  # share of both that visitors leave to the operator
BYTES = 4 * 2**20  # of one
SIDE = 768  # pixels of its longer side
SUFFIX = ".photo"  # a line of JSON, then a PNG without metadata
ID = re.compile(r"[0-9a-f]{32}")  # of 128 random bits, so that nobody finds one by trying
HASH = re.compile(r"[0-9a-f]{64}")  # of a key
LATEST = 2**40  # Unix time, far beyond any end date
DAY = 24 * 3600.0
LONGEST_HEADER = 512  # bytes

_lock = threading.Lock()


@dataclass(frozen=True)
class Kept:
    """A shared photo.

    id: in its link. until: Unix time, seconds. size: bytes.
    """

    id: str
    until: float
    size: int


def share(pixels: np.ndarray, *, days: int = DAYS, by_operator: bool = True) -> tuple[Kept, str]:
    """Keep a photo uint8 [H, W, 3] of at most SIDE pixels a side. Returns it, and the key with which its sharer may remove it.

    Args:
        by_operator: all places are the operator's; visitors together get a share of them.

    Raises:
        UserError: there are too many, it is too large, or the number of days is not 1 to MOST_DAYS.
        OSError: the folder is read-only or full.
    """
    if not 1 <= days <= MOST_DAYS:
        raise UserError(f"A photo is shared for 1 to {MOST_DAYS} days, not {days}.")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not 0 < max(pixels.shape[:2]) <= SIDE:
        raise UserError(
            f"A shared photo has at most {SIDE} pixels a side, in three colours; this one has the shape {pixels.shape}."
        )
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG", optimize=False)
    photo_id, key, until = secrets.token_hex(16), secrets.token_hex(16), time.time() + days * DAY
    header = json.dumps({"until": round(until), "key": _hash(key)})
    content = header.encode() + b"\n" + packed.getvalue()
    if len(content) > BYTES:
        raise UserError(
            f"This photo takes {len(content) / 2**20:.1f} MiB; {BYTES / 2**20:.0f} are the most for a shared one. Crop it."
        )
    with _lock:
        kept, part = listing(), 1.0 if by_operator else 1 - OPERATORS
        if len(kept) >= part * MOST or sum(each.size for each in kept) + len(content) > part * MOST_BYTES:
            raise UserError(
                f"This server keeps at most {MOST} shared photos and {MOST_BYTES / 2**20:.0f} MiB of them, and has no room for another. "
                "Try again later, or ask the operator to remove some."
            )
        _folder().mkdir(parents=True, exist_ok=True)
        with atomic.replacing(_path(photo_id)) as temporary:
            temporary.write_bytes(content)
    return Kept(photo_id, until, len(content)), key


def read(photo_id: str) -> tuple[np.ndarray, float]:
    """The pixels uint8 [H, W, 3] and the end date. Raises UserError where there is none: expired, removed, or of another server."""
    header, packed = _read(photo_id)
    if header["until"] <= time.time():
        raise _gone()
    try:
        with Image.open(io.BytesIO(packed), formats=("PNG",)) as image:
            if max(image.size) > SIDE:
                raise _gone()
            return np.asarray(image.convert("RGB")), float(header["until"])
    except (OSError, SyntaxError, Image.DecompressionBombError):  # damaged
        raise _gone() from None


def remove(photo_id: str, key: str | None) -> None:
    """Remove it: with its sharer's key, or None, which is the operator's. Raises UserError for a wrong key, or where there is none."""
    header, _ = _read(photo_id)
    if key is not None and not hmac.compare_digest(_hash(key), header["key"]):
        raise UserError(
            "This link does not remove the photo: its key is not that of the photo. Ask the operator to remove it."
        )
    _path(photo_id).unlink(missing_ok=True)


def listing() -> list[Kept]:
    """All shared photos, the one that ends first at the start. Those that have ended are removed."""
    found = []
    for path in _folder().glob(f"*{SUFFIX}"):
        with contextlib.suppress(UserError, OSError):
            with path.open("rb") as file:
                header = _header(path.stem, file.readline(LONGEST_HEADER))
            if header["until"] <= time.time():
                path.unlink(missing_ok=True)
            else:
                found.append(Kept(path.stem, float(header["until"]), path.stat().st_size))
    return sorted(found, key=lambda each: each.until)


def _read(photo_id: str) -> tuple[dict[str, Any], bytes]:
    if not ID.fullmatch(photo_id):
        raise _gone()
    try:
        line, _, packed = reading.read_whole(_path(photo_id), BYTES).partition(b"\n")
    except OSError:
        raise _gone() from None
    return _header(photo_id, line), packed


def _header(photo_id: str, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line) if len(line) <= LONGEST_HEADER else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not ID.fullmatch(photo_id):
        raise _gone()
    until, key = header.get("until"), header.get("key")
    if type(until) is not int or abs(until) > LATEST or not isinstance(key, str) or not HASH.fullmatch(key):
        raise _gone()
    return header


def _gone() -> UserError:
    return UserError(
        "The photo of this link is not on this server: its sharing has ended, it was removed, or it was shared on another server."
    )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _folder() -> Path:
    return data_folder() / "shared-photos"


def _path(photo_id: str) -> Path:
    return _folder() / f"{photo_id}{SUFFIX}"
