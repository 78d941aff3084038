"""Writing a run: one process at a time, with a lock and a heartbeat that show whether it is alive."""

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
from kdcore.files import atomic, heartbeat, locks
from kdcore.files.reading import regular
from kdcore.store.run_files import batches

LOCK = "writer.lock"
BEAT = "writer.beat"
CHECKPOINTS, PROBES, SNAPSHOTS = "checkpoints", "probes", "snapshots"
TEST = "test.npz"
KEPT_CHECKPOINTS = 3
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
        self._heart: heartbeat.Heart | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> "RunWriter":
        self._lock = _locked(self.folder)
        path = self.folder / "events.jsonl"
        try:
            self._heart = heartbeat.Heart(self.folder / BEAT)
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
            if self._heart:
                self._heart.stop()
            if self._lock:
                with contextlib.suppress(OSError):
                    self._lock.release()

    def append(self, event: ev.Event) -> None:
        """Write an event, completely or not at all; its arrays first, to a file of their own.

        Raises:
            OSError: the disk is full, say; TakenOver where another machine writes the run by now.
        """
        assert self._file is not None, "open the writer first"
        assert self._heart is not None
        self._heart.check()
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

    def append_lines(self, lines: bytes) -> None:
        """Write whole lines that the writer of a copy of this run has written. Raises OSError."""
        assert self._file is not None, "open the writer first"
        assert self._heart is not None
        self._heart.check()
        _write_whole(self._file, lines)

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

    def keep_newest_checkpoints(self) -> None:
        """Remove all checkpoints but the newest ones."""
        for old in sorted((self.folder / CHECKPOINTS).glob("*.safetensors"))[:-KEPT_CHECKPOINTS]:
            old.unlink()

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


def is_alive(folder: Path) -> bool:
    """Whether a process writes a run: on this machine by its lock, on another one by its heartbeat."""
    beat = heartbeat.elsewhere(folder / BEAT)
    return _is_fresh(beat, folder) if beat else locks.is_held(folder / LOCK)


def last_host(folder: Path) -> str:
    """The other machine whose heartbeat a run has; empty where there is none."""
    beat = heartbeat.elsewhere(folder / BEAT)
    return beat.host if beat else ""


def _is_fresh(beat: heartbeat.Beat, folder: Path) -> bool:
    return heartbeat.age(beat, folder / BEAT, folder.parent) < heartbeat.STALE


def _locked(folder: Path) -> locks.Lock:
    """The lock of a run that nobody writes. Raises UserError where somebody does."""
    beat = heartbeat.elsewhere(folder / BEAT)
    _refuse_alive(beat, folder)
    lock = locks.acquire(folder / LOCK, patience=PATIENCE)
    if lock is None and beat:  # of a machine that has died, whose lock its drive has not released
        (folder / LOCK).unlink(missing_ok=True)
        lock = locks.acquire(folder / LOCK, patience=PATIENCE)
    if lock is None:
        raise UserError(f"Run {folder.name} is being written by another process; stop it there first.")
    return lock


def _refuse_alive(beat: heartbeat.Beat | None, folder: Path) -> None:
    if beat and (seconds := heartbeat.age(beat, folder / BEAT, folder.parent)) < heartbeat.STALE:
        raise UserError(
            f"Run {folder.name} is being written by a process on {beat.host}; stop it there first. Should {beat.host} be off: its last "
            f"heartbeat is {seconds:.0f} s old, and after {heartbeat.STALE:g} s it counts as ended."
        )


@contextlib.contextmanager
def nobody_writes(folder: Path) -> Iterator[None]:
    """Keep writers out of a folder that is to be deleted, also a damaged one, and on a full disk.

    Raises:
        UserError: a process writes the run.
    """
    _refuse_alive(beat := heartbeat.elsewhere(folder / BEAT), folder)
    try:
        regular(folder / LOCK)
        lock = locks.acquire(folder / LOCK, patience=PATIENCE, create=False)
    except OSError:  # missing, or not a file: it cannot be locked
        yield
        return
    if lock is None and beat is None:
        raise UserError(f"Run {folder.name} is being written by another process; stop it there first.")
    with lock or contextlib.nullcontext():
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
