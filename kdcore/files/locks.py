"""Locks between processes: an operating-system lock on a file, which ends with the process that holds it.

`filelock` provides the same exclusive lock on Linux, macOS and Windows. A check whether a lock is held takes a shared one,
which other checks may have at the same time, however long the system interrupts them. On Windows, it has to take the
exclusive one for some microseconds: within a process such probes take turns; between processes, a contended probe is
repeated. A real holder keeps its lock through all of the repeats.
"""

import contextlib
import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import lock_descriptor

from kdcore.files.reading import regular

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PROBES = 12  # tries before a lock counts as held
PROBE_PAUSE = 0.004  # seconds between two of them, at most
RETRY = 0.01  # seconds between two tries of a patient holder
Identity = tuple[int, int]  # device and number of a file

_probing = threading.Lock()  # one probe at a time in this process
_held_here: set[Identity] = set()  # files that this process has locked: it need not probe them


class Lock:
    """A file, locked until `release`, until the object is gone, or until the process ends, also by `kill -9`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._identity = _identity(os.fstat(descriptor))
        _held_here.add(self._identity)

    def release(self) -> None:
        """May be called twice."""
        if self._descriptor >= 0:
            _held_here.discard(self._identity)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    __del__ = release

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _nothing() -> None:
    pass


def acquire(
    path: Path, *, patience: float = 0.0, create: bool = True, meanwhile: Callable[[], None] = _nothing
) -> Lock | None:
    """Lock a file; None where another process or thread holds it for `patience` seconds.

    Args:
        meanwhile: called between two tries; may raise to give up.

    Raises:
        OSError: it cannot be opened, or there is none and `create` is false.
    """
    descriptor = _opened(path, create)
    until = time.monotonic() + patience
    try:
        while not lock_descriptor(descriptor, blocking=False):
            if time.monotonic() >= until:
                os.close(descriptor)
                return None
            meanwhile()
            time.sleep(RETRY)
    except BaseException:
        os.close(descriptor)
        raise
    return Lock(descriptor)


@contextlib.contextmanager
def holding(
    path: Path, waits: Callable[[], None] = _nothing, meanwhile: Callable[[], None] = _nothing
) -> Iterator[None]:
    """Hold a lock through a block, as soon as others release it.

    Args:
        waits: called once where that takes longer.
        meanwhile: called every few milliseconds from then on; may raise to give up.

    Raises:
        OSError: the file cannot be opened.
    """
    lock = acquire(path, patience=PROBES * PROBE_PAUSE)  # as long as a probe of another process may take
    if lock is None:
        waits()
        lock = acquire(path, patience=float("inf"), meanwhile=meanwhile)
    assert lock is not None
    with lock:
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock on a file. False for what is missing, is no plain file, or cannot be opened."""
    try:
        if _identity(regular(path)) in _held_here:
            return True
        for attempt in range(PROBES):
            if attempt:
                time.sleep(random.uniform(0, PROBE_PAUSE))
            if _is_free(path):
                return False
    except OSError:
        return False
    return True


def _is_free(path: Path) -> bool:
    with _probing:
        descriptor = _opened(path, create=False)
        try:
            return lock_descriptor(descriptor, blocking=False) if fcntl is None else _shared(descriptor)
        finally:
            os.close(descriptor)


def _shared(descriptor: int) -> bool:
    """Take a shared lock, of the kind that `filelock` takes exclusively; False where somebody holds that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path, create: bool) -> int:
    try:
        return os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    except OSError as error:
        if create or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return os.open(path, os.O_RDONLY)  # enough on a local disk; network file systems lock only what may be written


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
