"""The folders of runs: those of this machine and the recordings that come with the project; ids of new ones."""

import os
import reprlib
import threading
from collections.abc import Container
from pathlib import Path

from kdcore.errors import UserError
from kdcore.store import run_ids
from kdcore.store.run_ids import RUN_ID, is_run


class Folders:
    """The folders of a store: `root`, and `recorded`, whose runs are read-only. Thread-safe."""

    def __init__(self, root: Path, recorded: Path | None) -> None:
        self.root, self.recorded = root, recorded
        self._paths: dict[str, tuple[Path, Path]] = {}
        self._latest = ""  # date and time in the newest id
        self._given: set[str] = set()  # ids with that date and time
        self._lock = threading.Lock()

    def new_id(self, name: str) -> str:
        """An id for a new run of a recipe of this name, given out once; ids sort by time, also after the clock was set back."""
        with self._lock:
            latest = run_ids.not_before(self._latest or run_ids.newest(_listed(self.root)))
            if latest != self._latest:
                self._latest = latest
                self._given.clear()
            while (run_id := run_ids.named(latest, name)) in self._given or (self.root / run_id).exists():
                continue
            self._given.add(run_id)
            return run_id

    def all(self, known: Container[str] = ()) -> list[Path]:
        """Runs of this machine, newest first, then the recordings, without those that have the id of a run of this machine.

        known: ids that are runs for certain, which saves two system calls each.
        """
        own = _listed(self.root, known)
        there = set(own)
        found = [self._path(self.root, run_id) for run_id in own]
        if self.recorded:
            found += [self._path(self.recorded, each) for each in _listed(self.recorded, known) if each not in there]
        return found

    def of(self, run_id: str) -> Path:
        """A run's folder. Raises UserError where there is no such run; an id cannot lead out of the store."""
        for root in (self.root, self.recorded):
            if root and RUN_ID.fullmatch(run_id) and is_run(f"{root}/{run_id}"):
                return root / run_id
        raise self.no_run(run_id)

    def no_run(self, run_id: str) -> UserError:
        return UserError(f"There is no run {reprlib.repr(run_id)} in {self.root}.")

    def is_recorded(self, folder: Path) -> bool:
        return self.recorded is not None and folder.parent == self.recorded

    def refuse_recorded(self, folder: Path, then: str = "changed") -> None:
        """Raises UserError for a recording."""
        if self.is_recorded(folder):
            raise UserError(f"{folder.name} is a recording that comes with the project, which cannot be {then}.")

    def forget(self, run_id: str) -> None:
        self._paths.pop(run_id, None)

    def forget_others(self, there: set[str]) -> None:
        """Forget the runs that are deleted: all but these."""
        for run_id in list(self._paths) if len(self._paths) > len(there) else ():
            if run_id not in there:
                self.forget(run_id)

    def _path(self, root: Path, run_id: str) -> Path:
        """A run's folder, made once: of thousands of runs it takes longer than looking whether they have changed."""
        known = self._paths.get(run_id)
        if known is None or known[0] is not root:
            known = self._paths[run_id] = root, root / run_id
        return known[1]


def _listed(root: Path, known: Container[str] = ()) -> list[str]:
    """The ids of the runs in a folder, newest first."""
    try:
        with os.scandir(root) as found:
            names = [entry.name for entry in found if RUN_ID.fullmatch(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((n for n in names if n in known or is_run(f"{root}/{n}")), reverse=True)
