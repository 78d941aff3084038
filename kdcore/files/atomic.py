"""Atomic writes: a reader sees the old file or the whole new one, never a part, also after a crash."""

import contextlib
import errno
import os
import re
import shutil
import socket
import stat
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

SUFFIX = ".half"  # of temporary files; a killed process leaves them behind
WRITER = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d{1,10})-\d{1,20}\.half")
ABANDONED = 24 * 3600.0  # seconds without a change, where it is not known whether the writer lives


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """An empty temporary file to write to; it takes the name `path` when the block ends and is removed when the block raises.

    It is in the same folder, and each process and thread has its own. Those that killed processes left of `path` are removed. The file gets the ordinary permissions (0666 less
    the umask), whatever the library that wrote it chose.

    Args:
        durable: flush the content to the disk first (some milliseconds), so that a power cut leaves the old file or the
            new one. Without it, the content may be lost: for caches that are checked when they are read.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    temporary = _temporary(path)
    sweep(path.parent, of=path.name)
    try:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        _settle(temporary, mode, durable)
        os.replace(temporary, path)
    except OSError as error:
        _name(error, temporary, path)
        raise
    finally:
        with contextlib.suppress(OSError):  # else it would hide the error that ended the block
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder; it takes the name `path` when the block ends and is removed when the block raises.

    Raises:
        OSError: `path` is a file or a folder that is not empty, or the folder that holds it is missing, read-only or full.
    """
    with staging(path) as temporary:
        yield temporary
        temporary.rename(path)


@contextlib.contextmanager
def staging(path: Path) -> Iterator[Path]:
    """An empty temporary folder beside `path`, removed when the block ends: for several files that take their names together.

    Raises:
        OSError: the folder that holds it is missing, read-only or full.
    """
    temporary = _temporary(path)
    sweep(path.parent, of=path.name)
    try:
        temporary.mkdir()
        yield temporary
    except OSError as error:
        _name(error, temporary, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name(error: OSError, temporary: Path, path: Path) -> None:
    """Let an error name what whoever reads the message has chosen, not a temporary file or folder, or a file in it."""
    if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(temporary):
        error.filename, error.filename2 = str(path), None


def take_free_name(temporary: Path, names: Iterable[Path]) -> Path:
    """Move a file or folder to the first of these names that is free; returns it. Of several processes none replaces another's.

    Raises:
        OSError: it cannot be moved.
    """
    for path in names:
        if os.path.lexists(path):
            continue
        try:
            if temporary.is_dir():
                temporary.rename(path)  # no folder with something in it is replaced
            else:
                _link(temporary, path)
                temporary.unlink()
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return path
    raise FileExistsError(errno.EEXIST, "all names are taken", str(temporary))


def _link(temporary: Path, path: Path) -> None:
    """A second name of a file, if it is free; on a file system without such names, a copy."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # takes the name
        try:
            os.replace(shutil.copyfile(temporary, temporary.with_name(f"{temporary.name}{SUFFIX}")), path)
        except OSError:
            path.unlink()
            raise


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


def sweep(folder: Path, of: str = "") -> None:
    """Remove what killed processes left in a folder, of all files or of one, but nothing that a living process is writing."""
    start = f".{of}." if of else ""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        names = [entry.name for entry in found if entry.name.endswith(SUFFIX) and entry.name.startswith(start)]
        for left in [folder / name for name in names]:
            if is_abandoned(left):
                _remove(left)


def is_abandoned(left: Path) -> bool:
    """Whether nobody writes a temporary file any more: its process has ended or, of another machine, it is a day old."""
    writer = WRITER.search(left.name)
    if writer and writer["machine"] == machine() and not _is_alive(int(writer["process"])):
        return True
    try:
        return time.time() - left.stat().st_mtime > ABANDONED
    except OSError:
        return False


def _temporary(path: Path) -> Path:
    """A name beside `path` that tells which process of which machine writes it."""
    return path.with_name(f".{path.name}.{machine()}-{os.getpid()}-{threading.get_ident()}{SUFFIX}")


@cache
def machine() -> str:
    """A short name of this machine and, on Linux, its container: process numbers mean nothing elsewhere."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return f"{zlib.crc32(f'{socket.gethostname()} {numbers}'.encode()):08x}"


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(left: Path) -> None:
    with contextlib.suppress(OSError):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _settle(file: Path, mode: int, durable: bool) -> None:
    with file.open("r+b") as opened:
        if durable:
            os.fsync(opened.fileno())
        if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) != mode:  # safetensors makes files of 0600
            file.chmod(mode)
