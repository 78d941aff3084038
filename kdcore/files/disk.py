"""Why a file cannot be read or written, as a sentence: a full, read-only, failing or disconnected disk, whichever library
reported it."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from kdcore.errors import UserError
from kdcore.paths import data_folder

RESUME = "resume the run; it continues from its last checkpoint"
FULL_CODES = (errno.ENOSPC, errno.EDQUOT)
CLOSED_CODES = (errno.EROFS, errno.EACCES, errno.EPERM)
FAILING_CODES = (errno.EIO, errno.ENXIO, errno.ENODEV)
# of a network drive; a download may also end with them, which is no fault of a disk
NETWORK_CODES = tuple(
    getattr(errno, name)
    for name in ("ESTALE", "ETIMEDOUT", "ENOTCONN", "EREMOTEIO", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH")
    if hasattr(errno, name)
)
# for libraries that raise no OSError, or one without a code: safetensors, torch, numpy's tofile
FULL_WORDS = re.compile(
    r"no space left on device|not enough free space to write|disk quota exceeded|\(os error (28|122)\)|\d+ requested and \d+ written"
    r"|inline_container.*unexpected pos|file write failed|failed writing file|iostream error",
    re.IGNORECASE | re.DOTALL,
)
CLOSED_WORDS = re.compile(r"read-only file system|\(os error (1|13|30)\)", re.IGNORECASE)
FAILING_WORDS = re.compile(r"input/output error|\(os error (5|6|19)\)", re.IGNORECASE)


def trouble(error: BaseException, folder: Path, *, then: str = RESUME) -> str | None:
    """Why writing failed, as a sentence: the disk is full, read-only, failing or gone. None for any other error.

    Args:
        folder: what was being written into, used where the error does not name a file.
        then: what to do after fixing it.
    """
    chain = list(_chain(error))
    if full := next((each for each in chain if _means(each, FULL_CODES, FULL_WORDS)), None):
        where = _parent(full) or min((folder, data_folder()), key=_free)
        own = f" ({error})" if isinstance(error, UserError) and str(error) else ""
        return f"The disk is full: free some space in {where} and {then}.{own}"
    if closed := next((each for each in chain if _means(each, CLOSED_CODES, CLOSED_WORDS)), None):
        return f"{_parent(closed) or folder} cannot be written to (it is read-only here): make it writable and {then}."
    if failing := next((each for each in chain if _means(each, FAILING_CODES, FAILING_WORDS)), None):
        return (
            f"{_parent(failing) or folder} cannot be read or written (input/output error): check the disk and {then}."
        )
    if words := disconnected(error, folder, then=then):
        return words
    if any(isinstance(each, FileNotFoundError) for each in chain) and not folder.is_dir():
        return f"The folder {folder} is missing: it was deleted or moved."
    return None


def disconnected(error: BaseException, folder: Path, *, then: str = RESUME) -> str | None:
    """Why a drive no longer answers, as a sentence; None where the error is about one file only."""
    for each in _chain(error):
        if isinstance(each, UserError):  # of a download, which has said what happened
            return None
        if isinstance(each, OSError) and each.errno in NETWORK_CODES:
            where = _parent(each) or folder
            reason = (each.strerror or str(each)).lower()
            return f"{where} cannot be reached ({reason}): check the network drive and its connection, and {then}."
    return None


def drive_gone(error: OSError, file: Path, *, then: str = RESUME) -> str | None:
    """The same for a file that could not be read, also for a failing disk."""
    if error.errno in (*FAILING_CODES, *NETWORK_CODES):
        return trouble(OSError(error.errno, error.strerror, str(file)), file.parent, then=then)
    return None


@contextlib.contextmanager
def in_words(folder: Path, *, then: str = RESUME) -> Iterator[None]:
    """Turn an error of the disk into a UserError that states what is wrong and how to fix it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # safetensors and torch raise no OSError
        words = trouble(error, folder, then=then)
        if words is None and not isinstance(error, OSError):
            raise
        if words is None:
            words = f"{error.filename or folder} cannot be written: {error.strerror or error}."  # type: ignore[attr-defined]
        raise UserError(words) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, without those hidden by `from None`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _means(error: BaseException, codes: tuple[int, ...], words: re.Pattern[str]) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in codes
    return not isinstance(error, UserError) and bool(words.search(str(error)))


def _parent(error: BaseException) -> Path | None:
    name = getattr(error, "filename", None)
    return Path(os.fsdecode(name)).parent if isinstance(name, (str, bytes)) and name else None


def _free(folder: Path) -> int:
    """Free bytes on the disk of a folder, or of its nearest parent that exists."""
    there = next(place for place in (folder, *folder.parents) if place.exists() or place == place.parent)
    return shutil.disk_usage(there).free
