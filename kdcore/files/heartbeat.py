"""Heartbeats: whether a process on another machine that shares the drive still works on a folder.

A file beside a lock names the machine and the process that hold the lock, and is renewed every few seconds. On that machine the
lock itself is exact. Elsewhere it means nothing: some shared drives keep a lock to one machine, others keep it after the machine
has died. There the heartbeat counts, by its age on the drive's own clock, so that the clocks of two machines are never compared.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kdcore.errors import UserError, clipped, visible
from kdcore.files import atomic
from kdcore.files.reading import read_whole

EVERY = 5.0  # seconds between two beats
STALE = 30.0  # seconds without a beat after which a process counts as ended
CLOCK_FOR = 2.0  # seconds for which the drive's clock need not be read again
MOST_BYTES = 1 << 12


class TakenOver(UserError, OSError):
    """Another machine has taken over what this process was writing."""


@dataclass(frozen=True)
class Beat:
    """Who works on a folder, and when the beat was renewed.

    machine: identifies the machine and container; host: its name; written: in ns, on the drive's clock.
    """

    machine: str
    host: str
    process: int
    token: str
    written: int

    @property
    def is_here(self) -> bool:
        """Whether it is of this machine, where the lock is exact."""
        return self.machine == atomic.machine()


class Heart:
    """Renews a heartbeat until it is stopped. Never raises: where the file cannot be written, the lock alone counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_hex(8)
        self.taken_by = ""  # the host that has taken over
        self._renewed = time.monotonic()
        self._write()
        _beating.add(self)

    def renew(self) -> None:
        """Renew the file's time of writing, unless another process has taken over."""
        with contextlib.suppress(OSError):
            found = read(self.path)
            if found and found.token != self.token:
                self.taken_by = found.host
                return
            if found:
                os.utime(self.path)  # without a time: a file server sets its own
            else:
                self._write()
            self._renewed = time.monotonic()

    def check(self) -> None:
        """Raises TakenOver where another machine works on the folder by now, as it may after this process was suspended."""
        if time.monotonic() - self._renewed > STALE / 2:
            self.renew()
        if self.taken_by:
            raise TakenOver(
                f"This process was not heard of for {STALE:g} seconds, and {self.taken_by} has taken over its work: it goes on there."
            )

    def stop(self) -> None:
        """End it and remove its file, unless it is another's by now. May be called twice."""
        _beating.discard(self)
        with contextlib.suppress(OSError):
            if (found := read(self.path)) and found.token == self.token:
                self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        plain = {"machine": atomic.machine(), "host": socket.gethostname(), "process": os.getpid(), "token": self.token}
        with contextlib.suppress(OSError):
            atomic.write_text(self.path, json.dumps(plain), durable=False)


class _Beating:
    """All heartbeats of this process, renewed by one thread while there are any."""

    def __init__(self) -> None:
        self._hearts: set[Heart] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, heart: Heart) -> None:
        with self._changed:
            self._hearts.add(heart)
            if self._thread is None or not self._thread.is_alive():  # a forked process has no threads but one
                self._thread = threading.Thread(target=self._run, name="kdcore-heartbeats", daemon=True)
                self._thread.start()

    def discard(self, heart: Heart) -> None:
        with self._changed:
            self._hearts.discard(heart)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._hearts, EVERY)
                hearts = list(self._hearts)
                if not hearts:
                    self._thread = None
                    return
            for heart in hearts:
                heart.renew()


_beating = _Beating()
_clocks: dict[Path, tuple[float, int]] = {}  # folder -> when its drive's clock was read, and what it showed


def read(path: Path) -> Beat | None:
    """The heartbeat in a file; None where there is none, or it cannot be read. Opened anew each time, since a network drive may
    answer from a cache otherwise."""
    try:
        plain = json.loads(read_whole(path, MOST_BYTES))
        written = path.stat().st_mtime_ns
        host = clipped(visible(str(plain["host"])), 80)
        return Beat(str(plain["machine"]), host, int(plain["process"]), str(plain["token"]), written)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def elsewhere(path: Path) -> Beat | None:
    """The heartbeat of another machine, old or new; None where the lock decides."""
    found = read(path)
    return None if found is None or found.is_here else found


def age(beat: Beat, path: Path, clock: Path) -> float:
    """Seconds since a beat was renewed, on the drive's own clock, read in the folder `clock` of the same drive.

    A beat from the future means that this clock was set back. It is dated now: a living process renews it anyway, and that of a
    dead one ages from here.
    """
    seconds = (drive_time(clock) - beat.written) / 1e9
    if seconds < -CLOCK_FOR:
        with contextlib.suppress(OSError):
            os.utime(path)
    return max(0.0, seconds)


def drive_time(folder: Path) -> int:
    """The time on the clock of a folder's drive, in ns: that of a file in it which is renewed now. Where none can be written, this
    machine's."""
    now = time.monotonic()
    known = _clocks.get(folder)
    if known is None or now - known[0] > CLOCK_FOR:
        known = _clocks[folder] = now, _drive_time(folder)
    return known[1] + int(1e9 * (now - known[0]))


def _drive_time(folder: Path) -> int:
    try:
        file = os.open(folder / f".clock-{atomic.machine()}", os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.utime(file)
            return os.fstat(file).st_mtime_ns
        finally:
            os.close(file)
    except OSError:
        return time.time_ns()
