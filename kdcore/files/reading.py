"""Plain files, read within limits: no folder, no pipe, and never more than was allowed."""

import os
import stat
from pathlib import Path


def regular(path: str | Path) -> os.stat_result:
    """A file's status. Raises OSError where it is no plain file: a folder cannot be read, and a pipe would block."""
    return _regular(os.stat(path), path)


def read_whole(path: str | Path, most: int) -> bytes:
    """A file's content. Raises OSError, also where it is no plain file, or has more than `most` bytes."""
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # the first does not wait for a pipe
    file = os.open(path, os.O_RDONLY | flags)
    try:
        if (size := _regular(os.fstat(file), path).st_size) > most:
            raise OSError(None, f"It has {size:,} bytes, {most:,} are the most that are read", str(path))
        return os.read(file, size)
    finally:
        os.close(file)


def _regular(found: os.stat_result, path: str | Path) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no plain file"
        raise OSError(None, f"It is {what}", str(path))
    return found
