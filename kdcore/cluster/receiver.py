"""The receiver beside the store: writes what workers send of their runs, keeps the runs alive, and passes stops on to workers.

One process on the machine with the store holds it. A run is written there by one attempt at a time: after a worker was lost, and
the run went on elsewhere, whatever the lost one may still send is refused.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.events import Queued, RunFailed, RunStopped
from kdcore.files import atomic
from kdcore.store import RunWriter, Store
from kdcore.store.run_files import batches, commands
from kdcore.store.run_files.completeness import is_whole
from kdcore.store.run_files.writing import CHECKPOINTS, SNAPSHOTS

EVENTS = "events.jsonl"
GROWING = (EVENTS, batches.FILE)  # files that are sent as they grow
FOR_RESUMING = ("recipe.yaml", EVENTS, batches.FILE, "environment.json", "teacher.safetensors")
NAME = re.compile(r"(?:(?:checkpoints|probes|snapshots)/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# files that each machine has for itself: replayed state, who writes, and a label of the list
OWN = ("folded.json", "folded.npz", "writer.lock", "writer.beat", "label.json")
OF_STORE = (EVENTS, *OWN)  # files that are never taken as a whole
CHUNK = 32 << 20  # bytes that are sent at once


class Superseded(UserError):
    """The run goes on elsewhere: this attempt at it has nothing more to do."""


@dataclass(frozen=True)
class Begun:
    """What a worker needs to begin.

    attempt: 1 for the first; shared: it writes into the store itself; files: to fetch, with their sizes in bytes; note: that an
    earlier worker was lost; stop: why not to begin after all.
    """

    attempt: int
    shared: bool
    files: tuple[tuple[str, int], ...] = ()
    note: str = ""
    stop: str = ""


@dataclass
class _Run:
    """A run that is queued or on a worker. `writer`: open, unless a worker writes into the store itself."""

    writer: RunWriter | None
    attempt: int = 0
    worker: str = ""
    stop: str = ""


class Receiver:
    """Its methods are called one at a time. All raise UserError for what cannot be done."""

    def __init__(self, root: str) -> None:
        self.store = Store(Path(root))
        self._runs: dict[str, _Run] = {}

    def queue(self, run_id: str) -> None:
        """Keep a run alive from now on, until it has ended."""
        writer = self.store.writer(run_id).__enter__()
        self._runs[run_id] = _Run(writer)
        writer.append(Queued())

    def begin(self, run_id: str, worker: str, shared: bool) -> Begun:
        """A worker begins an attempt at a run, the first one or another after it was lost.

        Args:
            worker: its machine's name; shared: it sees the store's folder.
        """
        run = self._runs.get(run_id)
        if run is None or (run.stop and not run.attempt):
            return Begun(0, shared, stop="It was stopped before it began.")
        before, run.worker = run.worker, worker
        run.attempt += 1
        note = ""
        if run.attempt > 1:
            step = self.store.state(run_id).step
            note = f"The worker on {before} was lost at step {step}. The run goes on from its last checkpoint, on {worker}."
        if shared and run.writer:
            run.writer.__exit__()
            run.writer = None
        return Begun(run.attempt, shared, () if shared else self.files(run_id), note, run.stop)

    def files(self, run_id: str, step: int | None = None) -> tuple[tuple[str, int], ...]:
        """The files from which a run can resume, or another one can take its networks (`step`: of a snapshot), with their sizes."""
        folder = self.store.folder(run_id)
        names = list(FOR_RESUMING)
        if whole := next(filter(is_whole, self.store.checkpoints(run_id)), None):
            names.append(f"{CHECKPOINTS}/{whole.name}")
        if step is not None:
            names.append(f"{SNAPSHOTS}/{step:08d}.safetensors")
        return tuple((name, (folder / name).stat().st_size) for name in names if (folder / name).is_file())

    def read(self, run_id: str, name: str, offset: int) -> bytes:
        """At most `CHUNK` bytes of a run's file."""
        with self._path(run_id, name).open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK)

    def append(self, run_id: str, attempt: int, name: str, offset: int, content: bytes) -> None:
        """Take what a growing file has got since `offset`; of events whole lines."""
        run, path = self._attempt(run_id, attempt), self._path(run_id, name)
        if name not in GROWING:
            raise UserError(f"{name} is no file that grows, so it is sent as a whole.")
        if name == EVENTS:
            assert run.writer is not None
            if (size := path.stat().st_size) != offset:
                raise UserError(
                    f"Run {run_id} has {size:,} bytes of events here, and the next ones begin at {offset:,}."
                )
            if not content.endswith(b"\n"):
                raise UserError(f"The events of run {run_id} came without the end of a line.")
            run.writer.append_lines(content)
            return
        _check_offset(path, offset, at_end=False)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(content)

    def put(self, run_id: str, attempt: int, name: str, offset: int, content: bytes, last: bool) -> None:
        """Take a part of a file, from its beginning on; with the last part it takes its name."""
        run, path = self._attempt(run_id, attempt), self._path(run_id, name)
        if name in OF_STORE:
            raise UserError(f"{name} is written here alone.")
        path.parent.mkdir(exist_ok=True)
        if not offset and last:
            atomic.write_bytes(path, content, durable=False)
        else:
            half = path.with_name(f".{path.name}{atomic.SUFFIX}")
            if offset:
                _check_offset(half, offset, at_end=True)
            with half.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.write(content)
            if last:
                os.replace(half, path)
        if last and run.writer and path.parent.name == CHECKPOINTS:
            run.writer.keep_newest_checkpoints()

    def look(self, run_id: str, attempt: int) -> str:
        """Why an attempt is to stop; empty where it is not."""
        return self._attempt(run_id, attempt).stop

    def commands(self, run_id: str, attempt: int) -> list[tuple[str, dict[str, Any]]]:
        """The commands that were left beside the run in the store since the last call, with their arguments."""
        self._attempt(run_id, attempt)
        return [(each.name, each.arguments) for each in commands.take(self.store.folder(run_id))]

    def end(self, run_id: str, attempt: int) -> None:
        """An attempt has ended, and all of it was sent."""
        self._attempt(run_id, attempt)
        self._forget(run_id)

    def stop(self, run_id: str, reason: str) -> bool:
        """Stop a run; True where it has not begun, so that there is no worker to stop."""
        if (run := self._runs.get(run_id)) is None:
            return False
        run.stop = reason
        if run.attempt or run.writer is None:
            return False
        run.writer.append(RunStopped(self.store.state(run_id).step, reason))
        self._forget(run_id)
        return True

    def lost(self, run_id: str, reason: str) -> None:
        """A run has no worker, and gets none any more: it has failed, and can be resumed."""
        if (run := self._runs.get(run_id)) is None:
            return
        run.attempt += 1  # whoever still works on it is refused
        if run.writer:
            run.writer.append(RunFailed(reason))
        else:
            with self.store.writer(run_id) as writer:
                writer.append(RunFailed(reason))
        self._forget(run_id)

    def close(self) -> None:
        """Let go of all runs; those that have not ended were interrupted."""
        for run_id in list(self._runs):
            self._forget(run_id)

    def _attempt(self, run_id: str, attempt: int) -> _Run:
        run = self._runs.get(run_id)
        if run is None or run.attempt != attempt:
            raise Superseded(f"Run {run_id} goes on elsewhere, or was ended: this attempt at it is over.")
        return run

    def _path(self, run_id: str, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UserError(f"{name!r} is not the name of a file of a run.")
        return self.store.folder(run_id) / name

    def _forget(self, run_id: str) -> None:
        if (run := self._runs.pop(run_id, None)) and run.writer:
            run.writer.__exit__()


def _check_offset(path: Path, offset: int, *, at_end: bool) -> None:
    """Refuse a part that does not begin in a file, or not at its end: between them would be zeros. Raises UserError."""
    size = path.stat().st_size if path.exists() else 0
    if not (offset == size if at_end else 0 <= offset <= size):
        raise UserError(f"{path.name} has {size:,} bytes here, and the next ones begin at {offset:,}.")
