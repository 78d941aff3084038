"""Decodes uploads in worker processes, which are killed when a photo takes too long or its request is cancelled.

A decoder cannot be interrupted in a thread, may take all memory, and may crash. Two processes are reused; one
that is killed is replaced. They load only Pillow and numpy, so that takes a fifth of a second.
"""

import contextlib
import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kdcore.errors import BadPhoto, Busy
from kdcore.paths import PROJECT
from kdcore.photos.decoding import UPLOADED, Photo, check_length, plain_name, refusal
from kdcore.photos.messages import Unusable

COMMAND = (sys.executable, "-m", "kdcore.photos.process")
CPU_SECONDS = 10  # per photo, of CPU time and of wall time
LENGTHS = struct.Struct(">QQ")  # of a message's JSON and of the bytes behind it
PATIENCE_SECONDS = 20.0  # to wait for a free process
COUNT, WAITING = 2, 16
SLICE_SECONDS = 0.05  # between checks for cancellation
PIPE_BYTES = 1 << 20
SIMPLER = "Make it smaller, or save it again as an ordinary JPEG."
STOPPED = f"its decoder stopped, as it does for lack of memory or in a damaged file. {SIMPLER}"

Wanted = Callable[[], bool]


class Cancelled(Exception):
    """The request was cancelled; its decoding has been stopped."""


class Workers:
    """A pool of at most `count` decoding processes, shared by all threads."""

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        count: int = COUNT,
        waiting: int = WAITING,
        seconds: float = CPU_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.command, self.count, self.waiting = command, count, waiting
        self.seconds, self.patience = seconds, patience
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(count)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._queue = 0
        self._closed = False

    def read(self, raw: bytes, name: str, side: int = 1024, *, wanted: Wanted = lambda: True) -> Photo:
        """Decode a photo as `decoding.read` does, in a worker process.

        Args:
            wanted: checked every 50 ms; once it returns False, or raises, the decoding is stopped.

        Raises:
            BadPhoto: with a message for the visitor; Busy where trying again may help.
            Cancelled: `wanted` returned False.
        """
        name = plain_name(name)
        try:
            check_length(len(raw), UPLOADED)
            with self._turn(wanted), self._worker() as worker:
                reply, pixels = worker.request({"name": name, "side": side}, raw, wanted)
        except Unusable as reason:
            raise refusal(name, reason) from None
        except _NoTurn:
            raise Busy(f"{name} has to wait: many photos are being decoded. Try again in a moment.") from None
        except OSError as error:  # the system has no process or no memory left
            raise Busy(
                f"{name} cannot be read now: no process could be started ({error.strerror}). Try again in a moment."
            ) from error
        if "refused" in reply:
            raise BadPhoto(reply["refused"])
        shown = np.frombuffer(pixels, np.uint8).reshape(reply["shape"])
        return Photo(shown, reply["width"], reply["height"], reply["name"], tuple(reply["notes"]))

    def warm(self) -> None:
        """Start the processes, without waiting for them."""
        self._closed = False
        self._fill()

    def _fill(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            while not self._closed and len(self._idle) + len(self._busy) < self.count:
                self._idle.append(_Worker(self.command, self.seconds))

    def close(self) -> None:
        """Kill all processes, busy ones too; `warm` or the next photo starts new ones."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for worker in self._busy:  # the thread that waits for it cleans up
                worker.process.kill()
        for worker in idle:
            worker.end()

    @contextlib.contextmanager
    def _turn(self, wanted: Wanted) -> Iterator[None]:
        with self._lock:
            if self._queue >= self.waiting + self.count:
                raise _NoTurn
            self._queue += 1
        try:
            until = time.monotonic() + self.patience
            while not self._turns.acquire(timeout=SLICE_SECONDS):
                if not wanted():
                    raise Cancelled
                if time.monotonic() > until:
                    raise _NoTurn
            try:
                yield
            finally:
                self._turns.release()
        finally:
            with self._lock:
                self._queue -= 1

    @contextlib.contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        """A process for one photo. It is reused only where it replied."""
        worker = self._acquired()
        try:
            yield worker
        except BaseException:  # also what ends the waiting thread
            with self._lock:
                self._busy.discard(worker)
            worker.end()
            self._fill()  # so that the next photo need not wait for one to start
            raise
        with self._lock:
            self._busy.discard(worker)
            self._idle.append(worker)

    def _acquired(self) -> "_Worker":
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    break
                worker.end()
            else:
                worker = _Worker(self.command, self.seconds)
            self._busy.add(worker)
            return worker


class _NoTurn(Exception):
    pass


class _Worker:
    """One process, through two pipes. After `request` raises, it must not be reused."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self.seconds = seconds
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            command, bufsize=0, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests, self.replies = self.process.stdin, self.process.stdout
        for pipe in (self.requests, self.replies):
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(ImportError, OSError, AttributeError):  # fewer writes for large files, on Linux
                import fcntl

                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def end(self) -> None:
        """Kill it and wait until it has ended, which takes milliseconds."""
        self.process.kill()
        self.process.wait()
        self.requests.close()
        self.replies.close()

    def request(self, header: dict[str, Any], raw: bytes, wanted: Wanted) -> tuple[dict[str, Any], bytearray]:
        """Send a request and return the reply; see `process` for both.

        Raises:
            Unusable: it took too long, or the process ended.
            Cancelled: `wanted` returned False.
        """
        meta = json.dumps(header).encode()
        unsent = [memoryview(raw), memoryview(LENGTHS.pack(len(meta), len(raw)) + meta)]  # the last goes first
        received = bytearray()
        started = looked = time.monotonic()
        with selectors.DefaultSelector() as pipes:
            pipes.register(self.requests, selectors.EVENT_WRITE, self._send)
            pipes.register(self.replies, selectors.EVENT_READ, self._receive)
            while not _complete(received):
                for ready, _ in pipes.select(SLICE_SECONDS):
                    if ready.data(unsent, received):
                        pipes.unregister(ready.fileobj)
                now = time.monotonic()
                if now - started > self.seconds:
                    raise self._too_slow()
                if now - looked >= SLICE_SECONDS:
                    looked = now
                    if not wanted():
                        raise Cancelled
        start = LENGTHS.size + LENGTHS.unpack_from(received)[0]
        return json.loads(received[LENGTHS.size : start]), received[start:]

    def _send(self, unsent: list[memoryview], _: bytearray) -> bool:
        """Send some. True where there is nothing more to send, or the process has ended, which `_receive` reports."""
        part = unsent.pop()
        try:
            rest = part[os.write(self.requests.fileno(), part) :]
        except BrokenPipeError:
            return True
        if rest:
            unsent.append(rest)
        return not unsent

    def _receive(self, _: list[memoryview], received: bytearray) -> bool:
        part = os.read(self.replies.fileno(), PIPE_BYTES)
        if not part:  # it ended, by a crash or by a limit
            raise self._too_slow() if self._how_it_ended() == -signal.SIGXCPU else Unusable(STOPPED)
        received += part
        return False

    def _how_it_ended(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=1)
        return None

    def _too_slow(self) -> Unusable:
        return Unusable(f"it takes longer than {self.seconds:g} seconds to decode. {SIMPLER}")


def _complete(received: bytearray) -> bool:
    size = LENGTHS.size
    return len(received) >= size and len(received) == size + sum(LENGTHS.unpack_from(received))
