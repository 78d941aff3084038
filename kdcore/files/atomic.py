"""Atomic writes: a reader sees the old file or the whole new one, never a part, also after a crash."""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".half"  # of temporary files; a killed process leaves them behind


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """An empty temporary file to write to; it takes the name `path` when the block ends and is removed when the block raises.

    It is in the same folder, and each process and thread has its own. The file gets the ordinary permissions (0666 less
    the umask), whatever the library that wrote it chose.

    Args:
        durable: flush the content to the disk first (some milliseconds), so that a power cut leaves the old file or the
            new one. Without it, the content may be lost: for caches that are checked when they are read.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{SUFFIX}")
    try:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        _settle(temporary, mode, durable)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # else it would hide the error that ended the block
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a UTF-8 text file. Raises OSError."""
    write_bytes(path, text.encode(), durable=durable)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file. Raises OSError."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def remove_leftovers(folder: Path, of: str = "") -> None:
    """Remove temporary files of killed processes: all of a folder, or those of one file name. No other process may write them."""
    with contextlib.suppress(OSError):
        for left in folder.glob(f".{of}.*{SUFFIX}" if of else f"*{SUFFIX}"):
            left.unlink(missing_ok=True)


def _settle(file: Path, mode: int, durable: bool) -> None:
    with file.open("r+b") as opened:
        if durable:
            os.fsync(opened.fileno())
        if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) != mode:  # safetensors makes files of 0600
            file.chmod(mode)
