"""States, recipes and series of runs, held in memory and read anew only where their files have changed."""

import os
import threading
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdcore.errors import DamagedRun, UserError
from kdcore.recipe import Recipe
from kdcore.store.folders import Folders
from kdcore.store.replay import cache
from kdcore.store.replay.cache import Mark
from kdcore.store.replay.replay import Replay
from kdcore.store.run_files import labels, recipe_file
from kdcore.store.run_files.writing import is_alive
from kdcore.store.run_ids import created_at, is_run
from kdcore.store.state import RunState, in_one_line

HELD_REPLAYS = 32  # runs whose series are in memory
HELD_RECIPES = 256
# raised on damaged files: then that run is damaged, and the list goes on
UNREADABLE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError)


class Held:
    """What this process has read of runs, by id. Thread-safe; what it returns is immutable."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._replays: dict[str, Replay] = {}  # the most recently used is last
        self._recipes: dict[str, Recipe] = {}
        self._ended: dict[str, tuple[Mark, RunState]] = {}  # of ended runs, and the version of the events it is from
        # without its label, when that was written, with it
        self._labelled: dict[str, tuple[RunState, int, RunState]] = {}
        self._unwritten_failures: dict[str, tuple[str, str]] = {}  # reason and traceback, for a full disk
        self._lock = threading.Lock()

    def folders(self) -> list[Path]:
        """The folders of all runs, in the order of `Folders.all`."""
        return self._folders.all(known=self._ended)

    def recipe(self, folder: Path) -> Recipe:
        """A run's recipe, which never changes. Raises RecipeError where it cannot be read."""
        found = self._recipes.get(folder.name) or recipe_file.read(folder)
        with self._lock:
            self._recipes[folder.name] = found
            while len(self._recipes) > HELD_RECIPES:
                self._recipes.pop(next(iter(self._recipes)))
        return found

    def state(self, folder: Path) -> RunState:
        """A run's state with its label; the same object as before where nothing has changed."""
        state = self._unlabelled(folder)
        if not (written := labels.written_at(str(folder))):
            return state
        known = self._labelled.get(folder.name)
        if known and known[0] is state and known[1] == written:
            return known[2]
        try:
            label = labels.read(folder)
        except UserError as error:
            labelled = replace(state, damage=f"{state.damage} {error}".strip())
        else:
            original = state.name if label.name else ""
            labelled = replace(state, label=label, name=label.name or state.name, original_name=original)
        self._labelled[folder.name] = state, written, labelled
        return labelled

    def replay(self, folder: Path) -> Replay:
        """A run's replay with its new events. Raises DamagedRun where they cannot be read, UserError where the run is gone."""
        try:
            replay = self._held_replay(folder)
            replay.refresh()
        except UNREADABLE as error:
            self._replays.pop(folder.name, None)
            raise self._unreadable(folder, error) from error
        if replay.state.damage and not is_run(str(folder)):
            self._replays.pop(folder.name, None)
            raise self._folders.no_run(folder.name)
        return replay

    def forget_label(self, run_id: str) -> None:
        self._labelled.pop(run_id, None)

    def remember_failure(self, run_id: str, reason: str, traceback: str) -> None:
        """Remember why a run failed, where the disk is too full to store it."""
        self._unwritten_failures[run_id] = (reason, traceback)

    def forget_failure(self, run_id: str) -> None:
        self._unwritten_failures.pop(run_id, None)

    def forget(self, run_id: str) -> None:
        """Forget all of a run, which is deleted."""
        with self._lock:
            self._folders.forget(run_id)
            by_id: tuple[MutableMapping[str, Any], ...] = (
                self._replays, self._recipes, self._ended, self._labelled, self._unwritten_failures,
            )  # fmt: skip
            for held in by_id:
                held.pop(run_id, None)

    def forget_others(self, there: set[str]) -> None:
        """Forget the states of runs that another process has deleted: of all but these."""
        with self._lock:
            self._folders.forget_others(there)
            by_id: tuple[MutableMapping[str, Any], ...] = (self._ended, self._labelled, self._unwritten_failures)
            for held in by_id:
                for run_id in list(held) if len(held) > len(there) else ():
                    if run_id not in there:
                        held.pop(run_id, None)

    def _unlabelled(self, folder: Path) -> RunState:
        try:
            state = self._read_state(folder)
        except DamagedRun as error:
            return RunState(
                folder.name, folder.name, "damaged", created=created_at(folder),
                recorded=self._folders.is_recorded(folder), damage=in_one_line(str(error)),
            )  # fmt: skip
        if folder.name in self._unwritten_failures and state.status in ("created", "interrupted"):
            reason, traceback = self._unwritten_failures[folder.name]
            state = replace(state, status="interrupted", reason=reason, traceback=traceback)
        return state

    def _read_state(self, folder: Path) -> RunState:
        try:
            seen = cache.mark(folder)
        except OSError as error:
            raise self._unreadable(folder, error) from error
        known = self._ended.get(folder.name)
        if known is None and folder.name not in self._replays and (kept := cache.read_state(folder, seen)):
            known = self._ended[folder.name] = (seen, kept)
        if known and known[0] == seen and known[1].recorded == self._folders.is_recorded(folder):
            state = known[1]
            if state.status != "interrupted" or not is_alive(folder):
                return state
        replay = self.replay(folder)
        if replay.ended and not replay.state.damage:  # a damaged one may be repaired
            self._ended[folder.name] = (seen, replay.state)
            if not replay.state.recorded:
                cache.write_state(folder, seen, replay.state)
        return replay.state

    def _held_replay(self, folder: Path) -> Replay:
        """A run's replay as it was last used. Of ended runs that are too many, the least recently used are dropped."""
        with self._lock:
            replay = self._replays.pop(folder.name, None)
            if replay is None or replay.folder != folder:  # an own run has taken the place of a recording
                replay = Replay(folder, recorded=self._folders.is_recorded(folder))
            self._replays[folder.name] = replay
            ended = [run_id for run_id, held in self._replays.items() if held.ended]
            for run_id in ended[: max(0, len(self._replays) - HELD_REPLAYS)]:
                del self._replays[run_id]  # replayed again on its next use
        return replay

    def _unreadable(self, folder: Path, error: BaseException) -> UserError:
        if not is_run(str(folder)):
            return self._folders.no_run(folder.name)
        if isinstance(error, OSError) and error.filename:
            name = Path(os.fsdecode(error.filename)).name
            return DamagedRun(f"{name} cannot be read: {error.strerror or error}.")
        return DamagedRun(f"Its files cannot be read ({type(error).__name__}: {error}).")
