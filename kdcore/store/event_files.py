"""TensorBoard event files of runs: of a finished run, or written while it trains, by tensorboardX.

A run's file is made anew from its events whenever it starts or resumes, so no step is in it twice, whoever reads it.
"""

import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.errors import UserError
from kdcore.events import Event, RunFailed, RunFinished, RunStarted, RunStopped
from kdcore.files import disk
from kdcore.store.runs import Store

FOLDER = "tensorboard"  # in a run's folder: where it is, the run's files are written
SUFFIX = ".kdcore"  # files with other names belong to somebody else and stay
WRITTEN_EVERY = 1.0  # seconds between two looks at what is new

log = logging.getLogger(__name__)


class EventFiles:
    """Writes event files of the runs for which they are switched on, or of all: into their own folders or, with `root`, into root/ID.

    `take` is a listener of events; it is called from the training thread and never raises.
    """

    def __init__(self, store: Store, root: Path | None = None) -> None:
        self.store, self.root, self.every = store, root, root is not None
        self._open: dict[str, Series] = {}

    def switch_on(self, run_id: str) -> None:
        """Write files of this run from now on, also when it is resumed."""
        self.folder(run_id).mkdir(parents=True, exist_ok=True)

    def write_all(self, root: Path | None = None) -> None:
        """Write files of every run that starts or resumes from now on."""
        self.root, self.every = root, True

    def folder(self, run_id: str) -> Path:
        return self.root / run_id if self.root else self.store.folder(run_id) / FOLDER

    def take(self, run_id: str, event: Event) -> None:
        try:
            if isinstance(event, RunStarted) and (self.every or self.folder(run_id).is_dir()):
                self._close(run_id)
                self._open[run_id] = Series(self.store, run_id, self.folder(run_id))
            if run_id in self._open:
                ended = isinstance(event, (RunFinished, RunStopped, RunFailed))
                self._open[run_id].write_new(at_once=ended)
                if ended:
                    self._close(run_id)
        except (OSError, UserError) as error:
            log.warning("TensorBoard files of run %s are not written any more: %s", run_id, error)
            self._open.pop(run_id, None)

    def _close(self, run_id: str) -> None:
        if run_id in self._open:
            self._open.pop(run_id).close()


class Series:
    """The open event file of a run: `write_new` adds what was logged since."""

    def __init__(self, store: Store, run_id: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
            old.unlink()
        self._store, self._run_id = store, run_id
        self._written: dict[str, int] = {}  # series -> the last step
        self._looked = -math.inf
        self._writer = _writer(folder)

    def write_new(self, *, at_once: bool = True) -> None:
        if not at_once and time.monotonic() - self._looked < WRITTEN_EVERY:
            return
        self._looked = time.monotonic()
        created, series = self._store.state(self._run_id).created, self._store.series(self._run_id)
        clock = series.get("seconds", (np.empty(0), np.empty(0)))
        rows: dict[int, dict[str, float]] = {}
        for name, (steps, values) in series.items():
            first = int(np.searchsorted(steps, self._written.get(name, -1), side="right"))
            for step, value in zip(steps[first:].tolist(), values[first:].tolist(), strict=True):
                if not math.isnan(value):
                    rows.setdefault(step, {})[name] = value
            if len(steps):
                self._written[name] = int(steps[-1])
        for step in sorted(rows):
            seconds = float(np.interp(step, *clock)) if len(clock[0]) else 0.0
            for name, value in rows[step].items():
                self._writer.add_scalar(name, value, step, walltime=created + seconds)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _writer(folder: Path) -> Any:
    """A writer of a new event file. Raises UserError where tensorboardX is not installed."""
    try:
        from tensorboardX import SummaryWriter  # takes tenths of a second
    except ImportError:
        raise UserError("TensorBoard files are written by tensorboardX: pip install tensorboardX.") from None
    return SummaryWriter(str(folder), filename_suffix=SUFFIX)


def convert(store: Store, run_id: str, folder: Path) -> Path:
    """Write the event file of a run, as far as it has been trained, into `folder`/ID; returns that folder.

    Raises:
        UserError: there is no such run, or the folder cannot be written.
    """
    made = folder / run_id
    store.folder(run_id)
    with disk.in_words(folder, then="convert the run again"):
        series = Series(store, run_id, made)
        series.write_new()
        series.close()
    return made
