"""The store: all runs in a folder, and the recordings that come with the project."""

import os
import reprlib
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from kdcore.errors import DamagedRun, UserError
from kdcore.files import atomic, disk
from kdcore.recipe import Recipe
from kdcore.results.comparison import Outcome
from kdcore.store import run_ids
from kdcore.store.lists.alike import seed_groups
from kdcore.store.replay import cache as replay_cache
from kdcore.store.replay import columns
from kdcore.store.replay.cache import Mark
from kdcore.store.replay.replay import Replay
from kdcore.store.run_files import arrays, environment, labels, recipe_file
from kdcore.store.run_files.completeness import is_whole
from kdcore.store.run_files.predictions import are_predictions
from kdcore.store.run_files.writing import RunWriter, is_alive, nobody_writes, snapshots
from kdcore.store.run_ids import RUN_ID, created_at, is_run
from kdcore.store.state import ACTIVE, RunState, in_one_line

HELD_REPLAYS = 32  # runs whose series are in memory
HELD_RECIPES = 256
REMOVALS = 3  # tries
# raised on damaged files: then that run is damaged, and the list goes on
UNREADABLE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError)


class Store:
    """The runs in a folder. Thread-safe; what it returns is immutable."""

    def __init__(self, root: Path, *, recorded: Path | None = None) -> None:
        """`recorded` is a second folder of runs, read-only, that come with the project."""
        self.root = root
        self.recorded = recorded
        self._replays: dict[str, Replay] = {}  # the most recently used is last
        self._ended: dict[
            str, tuple[Mark, RunState]
        ] = {}  # state of ended runs, and the version of the events it is from
        self._recipes: dict[str, Recipe] = {}
        self._labelled: dict[
            str, tuple[RunState, int, RunState]
        ] = {}  # without its label, when that was written, with it
        self._unwritten_failures: dict[str, tuple[str, str]] = {}  # reason and traceback, for a full disk
        self._read_once = False
        self._paths: dict[str, tuple[Path, Path]] = {}
        self._latest = ""  # date and time in the newest id
        self._given: set[str] = set()  # ids with that date and time
        self._lock = threading.Lock()

    def new_id(self, recipe: Recipe) -> str:
        """An id for a new run, given out once; ids sort by time, also after the clock was set back."""
        with self._lock:
            latest = run_ids.not_before(self._latest or run_ids.newest(self._listed(self.root)))
            if latest != self._latest:
                self._latest = latest
                self._given.clear()
            while (run_id := run_ids.named(latest, recipe.name)) in self._given or (self.root / run_id).exists():
                continue
            self._given.add(run_id)
            return run_id

    def create(self, recipe: Recipe, run_id: str | None = None) -> str:
        """Create a run's folder with its recipe; returns its id. Raises UserError where the disk is full or read-only."""
        run_id = run_id or self.new_id(recipe)
        folder = self.root / run_id
        with disk.in_words(self.root, then="start the run again"):
            self.root.mkdir(parents=True, exist_ok=True)
            # listed as a whole, or not at all; an earlier version may have left an empty folder
            with nullcontext(folder) if folder.is_dir() else atomic.new_folder(folder) as made:
                recipe_file.write(made, recipe)
        return run_id

    def writer(self, run_id: str) -> RunWriter:
        folder = self.folder(run_id)
        if self.recorded and folder.parent == self.recorded:
            raise UserError(f"{run_id} is a recording that comes with the project, which cannot be changed.")
        self._unwritten_failures.pop(run_id, None)
        return RunWriter(folder)

    def remember_failure(self, run_id: str, reason: str, traceback: str) -> None:
        """Remember in this process why a run failed, where the disk is too full to store it."""
        self._unwritten_failures[run_id] = (reason, traceback)

    def ids(self) -> list[str]:
        """Runs of this machine, newest first, then the recordings."""
        return [folder.name for folder in self._folders()]

    def _folders(self) -> list[Path]:
        """The folders of all runs, in the order of `ids`. A recording with the id of a run of this machine is left out."""
        own = self._listed(self.root)
        recorded = self._listed(self.recorded) if self.recorded else []
        there = set(own)
        others = (
            [self._path(self.recorded, run_id) for run_id in recorded if run_id not in there] if self.recorded else []
        )
        return [*(self._path(self.root, run_id) for run_id in own), *others]

    def _path(self, root: Path, run_id: str) -> Path:
        """A run's folder, made once: of thousands of runs it takes longer than looking whether they have changed."""
        known = self._paths.get(run_id)
        if known is None or known[0] is not root:
            known = self._paths[run_id] = root, root / run_id
        return known[1]

    def _listed(self, root: Path) -> list[str]:
        try:
            with os.scandir(root) as found:
                names = [entry.name for entry in found if RUN_ID.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        known = self._ended  # saves two system calls a run
        return sorted((n for n in names if n in known or is_run(f"{root}/{n}")), reverse=True)

    def folder(self, run_id: str) -> Path:
        """A run's folder. Raises UserError where there is no such run; an id cannot lead out of the store."""
        for root in (self.root, self.recorded):
            if root and RUN_ID.fullmatch(run_id) and is_run(f"{root}/{run_id}"):
                return root / run_id
        raise self._no_run(run_id)

    def _no_run(self, run_id: str) -> UserError:
        return UserError(f"There is no run {reprlib.repr(run_id)} in {self.root}.")

    def recipe(self, run_id: str) -> Recipe:
        """A run's recipe, which never changes. Raises RecipeError where it cannot be read."""
        folder = self.folder(run_id)
        found = self._recipes.get(run_id) or recipe_file.read(folder)
        with self._lock:
            self._recipes[run_id] = found
            while len(self._recipes) > HELD_RECIPES:
                self._recipes.pop(next(iter(self._recipes)))
        return found

    def by_recipe(self, run_ids: Sequence[str]) -> list[list[str]]:
        """The finished runs among these, grouped by recipe without its seed. A group is sorted by seed and has each seed once.

        A fork is in none: its recipe is not all that decides it.
        """
        return seed_groups(self.state(run_id) for run_id in run_ids)

    def environment(self, run_id: str) -> list[environment.Entry]:
        """What a run was computed with, an entry for its start and for each resume that differs; see `store.run_files.environment`."""
        return environment.read(self.folder(run_id))

    def state(self, run_id: str) -> RunState:
        """A run's state, from its events. Later calls read new events only.

        `damage` lists what cannot be read; where that is everything, the status is "damaged".

        Raises:
            UserError: there is no such run.
        """
        return self._state(self.folder(run_id))

    def states(self) -> list[RunState]:
        """All runs, each read on its own, in the order of `ids`."""
        found = []
        for folder in self._folders():
            with suppress(UserError):  # deleted in the meantime
                found.append(self._state(folder))
        self._forget_deleted({state.id for state in found})
        return found

    def read_all(self, seconds: float = 0.5) -> Iterator[tuple[int, int]]:
        """Read the states of all runs once in this process, so that `states` is quick: how many were read and how many there
        are, every so many seconds. Thousands of runs that no process has read before take a while."""
        if self._read_once:
            return
        folders, due = self._folders(), time.monotonic() + seconds
        for place, folder in enumerate(folders):
            with suppress(UserError):  # deleted in the meantime
                self._state(folder)
            if time.monotonic() >= due:
                yield place + 1, len(folders)
                due = time.monotonic() + seconds
        self._read_once = True

    def _forget_deleted(self, there: set[str]) -> None:
        """Forget what is held of runs that another process has deleted."""
        with self._lock:
            for held in (self._ended, self._labelled, self._unwritten_failures, self._paths):
                for run_id in list(held) if len(held) > len(there) else ():
                    if run_id not in there:
                        held.pop(run_id, None)

    def _state(self, folder: Path) -> RunState:
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

    def _unlabelled(self, folder: Path) -> RunState:
        try:
            state = self._read_state(folder)
        except DamagedRun as error:
            return RunState(
                folder.name, folder.name, "damaged", created=created_at(folder), recorded=self._is_recorded(folder),
                damage=in_one_line(str(error)),
            )  # fmt: skip
        if folder.name in self._unwritten_failures and state.status in ("created", "interrupted"):
            reason, traceback = self._unwritten_failures[folder.name]
            state = replace(state, status="interrupted", reason=reason, traceback=traceback)
        return state

    def _read_state(self, folder: Path) -> RunState:
        try:
            seen = replay_cache.mark(folder)
        except OSError as error:
            raise self._unreadable(folder, error) from error
        known = self._ended.get(folder.name)
        if known is None and folder.name not in self._replays and (kept := replay_cache.read_state(folder, seen)):
            known = self._ended[folder.name] = (seen, kept)
        if known and known[0] == seen and known[1].recorded == self._is_recorded(folder):
            state = known[1]
            if state.status != "interrupted" or not is_alive(folder):
                return state
        replay = self._replay(folder)
        if replay.ended and not replay.state.damage:  # a damaged one may be repaired
            self._ended[folder.name] = (seen, replay.state)
            if not replay.state.recorded:
                replay_cache.write_state(folder, seen, replay.state)
        return replay.state

    def edit_label(
        self, run_id: str, *, name: str | None = None, note: str | None = None, tags: Sequence[str] | None = None,
        add_tags: Sequence[str] = (), remove_tags: Sequence[str] = (), pinned: bool | None = None,
        archived: bool | None = None,
    ) -> labels.Label:  # fmt: skip
        """Change what a user writes about a run; None leaves it as it is, an empty name is the recipe's again.

        Raises:
            UserError: there is no such run, it is a recording, a text is too long, or the disk is full.
        """
        folder = self.folder(run_id)
        if self._is_recorded(folder):
            raise UserError(f"{run_id} is a recording that comes with the project, which cannot be changed.")
        with self._lock:
            damaged, before = False, labels.Label()
            try:
                before = labels.read(folder)
            except UserError:  # it is replaced
                damaged = True
            if tags is None and (add_tags or remove_tags):
                tags = [tag for tag in (*before.tags, *add_tags) if tag not in remove_tags]
            after = labels.changed(before, name=name, note=note, tags=tags, pinned=pinned, archived=archived)
            if damaged or after != before:
                labels.write(folder, after)
            self._labelled.pop(run_id, None)
        return after

    def series(self, run_id: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Every number over time: name -> (steps, values). Names are `loss/NETWORK/TERM`, `train_top1/NETWORK`,
        `top1/NETWORK`, `nll/NETWORK`, `ece/NETWORK` (validation), `share/TERM`, `weight/TERM`, `temperature/TERM`,
        `learning_rate`, `images_per_second`, `layer_weight/TERM/LAYER`, `gradient/TERM`, `gradient_share/TERM`,
        `adapted/TERM` (the factor on its weight), `figure/TERM/NAME` (a measurement of a term, also `NAME/LAYER`).
        The arrays are read-only and never change."""
        return self._replay(self.folder(run_id)).series()

    def version(self, run_id: str) -> int:
        """The number of bytes read of a run's events: it grows with each new one."""
        return self._replay(self.folder(run_id)).offset

    def probe(self, run_id: str, file: str) -> dict[str, np.ndarray]:
        """The arrays of a probe, by the `file` of its event."""
        folder = self.folder(run_id)
        path = (folder / file).resolve()
        if path.parent != (folder / "probes").resolve() or not path.is_file():
            raise UserError(f"Run {run_id} has no probe {file!r}.")
        return arrays.read(path)

    def test_predictions(self, run_id: str) -> dict[str, np.ndarray] | None:
        """Targets and predicted classes of a finished run's test images, in the order of the split.

        Returns:
            `targets` and each network's predictions (`student`, and `twin`, `teacher` where the run has them), whole
            numbers [n] below the number of classes; None where they were not stored (by an earlier version, or the run
            has not finished) or their file is missing, damaged or of other images.

        Raises:
            UserError: there is no such run.
        """
        state = self.state(run_id)
        if state.status != "finished" or not state.test_file:
            return None
        try:
            found = arrays.read(self.folder(run_id) / state.test_file)
        except UserError:
            return None
        return found if are_predictions(found, state) else None

    def outcome(self, run_id: str) -> Outcome:
        """What a finished run contributes to comparisons. Raises UserError where there is no such run."""
        outcome, recipe = self.state(run_id).outcome, self.recipe(run_id)
        return replace(
            outcome,
            seed=recipe.seeds[0],
            redrawn=recipe.data.seed == "run",
            predictions=self.test_predictions(run_id),
        )

    def checkpoints(self, run_id: str) -> list[Path]:
        """The checkpoints on disk, newest first."""
        folder = self.folder(run_id)
        named = dict.fromkeys(folder / saved["file"] for saved in reversed(self.state(run_id).checkpoints))
        return [path for path in named if path.is_file()]

    def checkpoint(self, run_id: str) -> Path | None:
        """The newest checkpoint on disk, complete or not; None where there is none."""
        return next(iter(self.checkpoints(run_id)), None)

    def whole_checkpoint(self, run_id: str) -> Path | None:
        """The newest complete checkpoint; None where there is none at all.

        Raises:
            UserError: there are some, and all are damaged.
        """
        found = self.checkpoints(run_id)
        whole = next(filter(is_whole, found), None)
        if found and whole is None:
            raise UserError(
                f"Run {run_id} has {len(found)} checkpoint{'s' * (len(found) > 1)}, and none is complete: its networks cannot be "
                "loaded. Train its recipe again."
            )
        return whole

    def snapshots(self, run_id: str) -> dict[int, Path]:
        """Snapshots of student and twin: step -> file, the first one first. Empty for recordings and runs of earlier versions."""
        return snapshots(self.folder(run_id))

    def whole_snapshots(self, run_id: str) -> dict[int, Path]:
        """Those that are complete."""
        return {step: path for step, path in self.snapshots(run_id).items() if is_whole(path)}

    def delete(self, run_id: str) -> None:
        """Delete a run, also a damaged one. Raises UserError while it is active, and for recordings."""
        state = self.state(run_id)
        if state.recorded:
            raise UserError(f"{run_id} is a recording that comes with the project, which cannot be deleted.")
        if state.status in ACTIVE:
            raise UserError(f"Run {run_id} is {state.status}; stop it before deleting it.")
        folder, gone = self.folder(run_id), self.root / f".deleted-{run_id}-{secrets.token_hex(4)}"
        with disk.in_words(folder, then="delete it again"):
            with nobody_writes(folder):  # so that no process resumes it now
                os.replace(folder, gone)  # one operation, so that no part of a run is ever listed
            _remove(gone)
        with self._lock:
            for held in (
                self._replays, self._ended, self._recipes, self._labelled, self._paths, self._unwritten_failures,
            ):  # fmt: skip
                held.pop(run_id, None)

    def csv(self, run_id: str) -> str:
        """All series as CSV: one row for each step, one column for each series, empty where nothing was measured."""
        return columns.as_csv(self.series(run_id))

    def _replay(self, folder: Path) -> Replay:
        """A run's replay with its new events. Raises DamagedRun where they cannot be read, UserError where the run is gone."""
        try:
            with self._lock:
                replay = self._replays.pop(folder.name, None)
                if replay is None or replay.folder != folder:  # an own run has taken the place of a recording
                    replay = Replay(folder, recorded=self._is_recorded(folder))
                self._replays[folder.name] = replay
                ended = [run_id for run_id, held in self._replays.items() if held.ended]
                for run_id in ended[: max(0, len(self._replays) - HELD_REPLAYS)]:
                    del self._replays[run_id]  # replayed again on its next use
            replay.refresh()
        except UNREADABLE as error:
            self._replays.pop(folder.name, None)
            raise self._unreadable(folder, error) from error
        if replay.state.damage and not is_run(str(folder)):
            self._replays.pop(folder.name, None)
            raise self._no_run(folder.name)
        return replay

    def _unreadable(self, folder: Path, error: BaseException) -> UserError:
        if not is_run(str(folder)):
            return self._no_run(folder.name)
        if isinstance(error, OSError) and error.filename:
            name = Path(os.fsdecode(error.filename)).name
            return DamagedRun(f"{name} cannot be read: {error.strerror or error}.")
        return DamagedRun(f"Its files cannot be read ({type(error).__name__}: {error}).")

    def _is_recorded(self, folder: Path) -> bool:
        return self.recorded is not None and folder.parent == self.recorded


def _remove(folder: Path) -> None:
    """Delete a folder into which a reader may still be writing its cache."""
    if folder.is_symlink():
        folder.unlink()
        return
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)
    with suppress(FileNotFoundError):  # another process sweeps it up as well
        shutil.rmtree(folder)
