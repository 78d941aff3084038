"""The writing side: one process at a time, and a lock that says whether it is still there."""

import fcntl
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TextIO

import numpy as np

from kdcore import events as ev

SNAPSHOTS = "snapshots"
LOOK_BACK = 1 << 16  # bytes


class RunWriter:
    """The one writer of a run. Use as a context; while it is open the run counts as alive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[bytes] | None = None
        self._file: TextIO | None = None

    def __enter__(self) -> "RunWriter":
        self._lock = _lock(self.folder / "writer.lock", fcntl.LOCK_EX, patience=1.0)
        if self._lock is None:
            raise ValueError(f"Run {self.folder.name} is being written by another process; stop it there first.")
        path = self.folder / "events.jsonl"
        _drop_half_line(path)
        self._file = path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._file, self._lock):
            if file:
                file.close()

    def append(self, event: ev.Event) -> None:
        """Write an event; a probe's arrays go to their own file first."""
        assert self._file is not None, "open the writer first"
        if isinstance(event, ev.ProbeTaken):
            file = f"probes/{event.step:08d}.npz"
            (self.folder / "probes").mkdir(exist_ok=True)
            half = self.folder / "probes" / "half.npz"
            np.savez_compressed(half, **event.arrays)
            os.replace(half, self.folder / file)  # a reader sees the old file or the whole new one
            event = replace(event, file=file)
        line = json.dumps({**event.to_plain(), "time": round(time.time(), 3)}, allow_nan=True)
        self._file.write(line + "\n")
        self._file.flush()

    def checkpoint_path(self, step: int) -> Path:
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        return self.folder / "checkpoints" / f"{step:08d}.safetensors"

    def snapshot_path(self, step: int) -> Path:
        (self.folder / SNAPSHOTS).mkdir(exist_ok=True)
        return self.folder / SNAPSHOTS / f"{step:08d}.safetensors"

    def snapshots(self) -> dict[int, Path]:
        return snapshots(self.folder)


def snapshots(folder: Path) -> dict[int, Path]:
    """A run's snapshots: step -> file, the first one first."""
    return {
        int(path.stem): path for path in sorted((folder / SNAPSHOTS).glob("*.safetensors")) if path.stem.isdecimal()
    }


def _lock(path: Path, mode: int, *, patience: float = 0.0) -> IO[bytes] | None:
    """The file, locked until it is closed or its process ends; None where another one holds it for that long."""
    file = path.open("rb" if mode == fcntl.LOCK_SH else "ab")
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                file.close()
                return None
            time.sleep(0.01)  # a reader that looks whether the run is alive holds it for some microseconds
        else:
            return file


def is_locked(path: Path) -> bool:
    """Whether a writer is at work. Readers share the lock, so that they never take each other for one."""
    try:
        lock = _lock(path, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    lock.close()
    return False


def _drop_half_line(path: Path) -> None:
    """Cut what a killed process left behind its last full line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        start = size = file.seek(0, os.SEEK_END)
        while start:  # backwards, since a long run's events are hundreds of MiB
            start = max(0, start - LOOK_BACK)
            file.seek(start)
            if (found := file.read(LOOK_BACK).rfind(b"\n")) >= 0:
                break
        else:
            found = -1
        if start + found + 1 < size:
            file.truncate(start + found + 1)
