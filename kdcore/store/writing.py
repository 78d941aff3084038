"""Writing a run: one process at a time, with a lock that shows whether it is alive."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import events as ev
from kdcore.errors import UserError
from kdcore.files import atomic, locks
from kdcore.files.reading import regular
from kdcore.store import batches

LOCK = "writer.lock"
CHECKPOINTS, PROBES, SNAPSHOTS = "checkpoints", "probes", "snapshots"
TEST = "test.npz"
PATIENCE = 1.0  # seconds to wait for the lock
LOOK_BACK = 1 << 16  # bytes
LONGEST_STEP = 16  # digits


class RunWriter:
    """The only writer of a run, as a context manager; while it is open the run counts as alive.

    Events are written unbuffered, so that closing has nothing to write to a disk that may be full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: locks.Lock | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> "RunWriter":
        self._lock = locks.acquire(self.folder / LOCK, patience=PATIENCE)
        if self._lock is None:
            raise UserError(f"Run {self.folder.name} is being written by another process; stop it there first.")
        path = self.folder / "events.jsonl"
        try:
            _drop_half_line(path)
            atomic.remove_leftovers(self.folder, of=TEST)  # of others, readers may be writing their caches
            for name in (CHECKPOINTS, PROBES, SNAPSHOTS):
                atomic.remove_leftovers(self.folder / name)
            self._file = path.open("ab", buffering=0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the run. Never raises: everything is written already."""
        try:
            if self._file:
                with contextlib.suppress(OSError):
                    self._file.close()
        finally:
            if self._lock:
                with contextlib.suppress(OSError):
                    self._lock.release()

    def append(self, event: ev.Event) -> None:
        """Write an event, completely or not at all; its arrays first, to a file of their own. Raises OSError."""
        assert self._file is not None, "open the writer first"
        if isinstance(event, ev.RunStarted):
            batches.cut(self.folder, event.step if event.resumed else -1)
        elif isinstance(event, ev.StepEnded) and event.arrays:
            self._append_batch(event)
        if isinstance(event, ev.ProbeTaken):
            (self.folder / PROBES).mkdir(exist_ok=True)
            event = replace(event, file=self._write_arrays(f"{PROBES}/{event.step:08d}.npz", event.arrays))
        elif isinstance(event, ev.RunFinished) and event.arrays:
            event = replace(event, file=self._write_arrays(TEST, event.arrays))
        line = json.dumps({**event.to_plain(), "time": round(time.time(), 3)}, allow_nan=True)
        _write_whole(self._file, f"{line}\n".encode())

    def _append_batch(self, event: ev.StepEnded) -> None:
        with (self.folder / batches.FILE).open("ab", buffering=0) as file:
            _write_whole(file, batches.encoded(event.step, event.indices, event.arrays))
        batches.thin(self.folder)

    def _write_arrays(self, file: str, arrays: dict[str, Any]) -> str:
        with atomic.replacing(self.folder / file, durable=False) as temporary, temporary.open("wb") as opened:
            np.savez_compressed(opened, **arrays)
        return file

    def checkpoint_path(self, step: int) -> Path:
        (self.folder / CHECKPOINTS).mkdir(exist_ok=True)
        return self.folder / CHECKPOINTS / f"{step:08d}.safetensors"

    def snapshot_path(self, step: int) -> Path:
        (self.folder / SNAPSHOTS).mkdir(exist_ok=True)
        return self.folder / SNAPSHOTS / f"{step:08d}.safetensors"

    def snapshots(self) -> dict[int, Path]:
        return snapshots(self.folder)


def snapshots(folder: Path) -> dict[int, Path]:
    """A run's snapshots: step -> file, the first one first."""
    found = sorted((folder / SNAPSHOTS).glob("*.safetensors"))
    return {int(path.stem): path for path in found if path.stem.isdecimal() and len(path.stem) <= LONGEST_STEP}


def _write_whole(file: FileIO, line: bytes) -> None:
    """Append a line or a record. Where only a part could be written, remove it, so that the next line is complete."""
    start = file.seek(0, os.SEEK_END)
    left = memoryview(line)
    try:
        while left:
            left = left[file.write(left) or 0 :]
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(start)
        raise


@contextlib.contextmanager
def nobody_writes(folder: Path) -> Iterator[None]:
    """Keep writers out of a folder that is to be deleted, also a damaged one, and on a full disk.

    Raises:
        UserError: a process writes the run.
    """
    try:
        regular(folder / LOCK)
        lock = locks.acquire(folder / LOCK, patience=PATIENCE, create=False)
    except OSError:  # missing, or not a file: it cannot be locked
        yield
        return
    if lock is None:
        raise UserError(f"Run {folder.name} is being written by another process; stop it there first.")
    with lock:
        yield


def _drop_half_line(path: Path) -> None:
    """Remove what a killed process left after its last complete line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        start = size = file.seek(0, os.SEEK_END)
        while start:  # backwards: a long run has hundreds of MiB of events
            start = max(0, start - LOOK_BACK)
            file.seek(start)
            if (found := file.read(LOOK_BACK).rfind(b"\n")) >= 0:
                break
        else:
            found = -1
        if start + found + 1 < size:
            file.truncate(start + found + 1)
