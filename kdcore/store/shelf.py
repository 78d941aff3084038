"""The runs in a folder, and those that come with the project."""

import csv
import hashlib
import io
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdcore import recipe as recipes
from kdcore.recipe import Recipe, RecipeError
from kdcore.store import keeping
from kdcore.store.folding import Fold
from kdcore.store.keeping import Mark
from kdcore.store.state import ACTIVE, RunState
from kdcore.store.writing import RunWriter, is_locked, snapshots

HELD_FOLDS = 32  # runs whose series are in memory
HELD_RECIPES = 256
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Alike:
    """What of a recipe decides a run, less the seed, as a checksum; and the seed."""

    recipe: str
    seeds: tuple[int, ...]


class Store:
    """The runs in a folder. Thread-safe; what it returns is immutable."""

    def __init__(self, root: Path, *, recorded: Path | None = None) -> None:
        """`recorded` is a second folder of runs, read-only, that come with the project."""
        self.root = root
        self.recorded = recorded
        self._folds: dict[str, Fold] = {}  # asked for last, last
        self._over: dict[str, tuple[Mark, RunState]] = {}  # of runs that are over, as of so many events
        self._recipes: dict[str, Recipe] = {}
        self._alike: dict[str, Alike] = {}
        self._lock = threading.Lock()

    def new_id(self, recipe: Recipe) -> str:
        """An id for a run that is still to be created; it sorts by time."""
        slug = re.sub(r"[^a-z0-9]+", "-", recipe.name.lower()).strip("-")[:40] or "run"
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}"

    def create(self, recipe: Recipe, run_id: str | None = None) -> str:
        """Make a run's folder and recipe file; returns its id."""
        run_id = run_id or self.new_id(recipe)
        folder = self.root / run_id
        folder.mkdir(parents=True, exist_ok=True)  # a killed process may have made it and no more
        half = folder / "recipe.half"
        half.write_text(recipe.to_yaml(), encoding="utf-8")
        os.replace(half, folder / "recipe.yaml")  # from here on the run is listed
        return run_id

    def writer(self, run_id: str) -> RunWriter:
        folder = self.folder(run_id)
        if self.recorded and folder.parent == self.recorded:
            raise ValueError(f"{run_id} is a recording that comes with the project; it cannot be changed.")
        return RunWriter(folder)

    def ids(self) -> list[str]:
        """Runs of this machine, newest first, then the recordings."""
        return [run_id for root in (self.root, self.recorded) if root for run_id in self._listed(root)]

    def _listed(self, root: Path) -> list[str]:
        try:
            with os.scandir(root) as found:
                names = [entry.name for entry in found if RUN_ID.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        known = self._over  # they have their recipe, so the disk need not be asked
        return sorted((n for n in names if n in known or os.path.isfile(f"{root}/{n}/recipe.yaml")), reverse=True)

    def folder(self, run_id: str) -> Path:
        """Raises ValueError where there is no such run; the name of a file outside is never reached."""
        for root in (self.root, self.recorded):
            if root and RUN_ID.fullmatch(run_id) and (root / run_id / "recipe.yaml").is_file():
                return root / run_id
        raise ValueError(f"There is no run {run_id!r} in {self.root}.")

    def recipe(self, run_id: str) -> Recipe:
        """Read once: a run's recipe never changes."""
        path = self.folder(run_id) / "recipe.yaml"
        found = self._recipes.get(run_id) or recipes.load(path)
        with self._lock:
            self._recipes[run_id] = found
            while len(self._recipes) > HELD_RECIPES:
                self._recipes.pop(next(iter(self._recipes)))
        return found

    def by_recipe(self, run_ids: Sequence[str]) -> list[list[str]]:
        """The finished ones of these runs, in groups whose recipes differ in the seed alone: by seed, and of two runs with
        one seed the first, since the same seed twice says nothing new."""
        groups: dict[str, dict[tuple[int, ...], str]] = {}
        for run_id in run_ids:
            if self.state(run_id).status == "finished" and (alike := self._but_seed(run_id)):
                groups.setdefault(alike.recipe, {}).setdefault(alike.seeds, run_id)
        return [[found[seeds] for seeds in sorted(found)] for found in groups.values()]

    def _but_seed(self, run_id: str) -> "Alike | None":
        """What decides a run, less its name, note and seed; None for a recipe of another version."""
        if run_id not in self._alike:
            try:
                recipe = self._recipes.get(run_id) or recipes.load(self.folder(run_id) / "recipe.yaml")
            except RecipeError:
                return None
            same = recipe.model_copy(update={"name": "any", "note": "", "seeds": (0,)}).model_dump_json()
            self._alike[run_id] = Alike(hashlib.sha256(same.encode()).hexdigest(), recipe.seeds)
        return self._alike[run_id]

    def state(self, run_id: str) -> RunState:
        """The run as its events tell it. Cheap when called again: only new lines are read, and of a run that is over none."""
        return self._state(self.folder(run_id))

    def states(self) -> list[RunState]:
        found = []
        for root in (self.root, self.recorded):
            if root:
                for run_id in self._listed(root):
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        found.append(self._state(root / run_id))
        return found

    def _state(self, folder: Path) -> RunState:
        seen, known = keeping.mark(folder), self._over.get(folder.name)
        if known is None and folder.name not in self._folds and (kept := keeping.recalled_state(folder, seen)):
            known = self._over[folder.name] = (seen, kept)
        if known and known[0] == seen:
            state = known[1]
            if state.status != "interrupted" or not is_locked(folder / "writer.lock"):
                return state
        fold = self._fold(folder)
        if fold.over:
            self._over[folder.name] = (seen, fold.state)
            if not fold.state.recorded:
                keeping.keep_state(folder, seen, fold.state)
        return fold.state

    def series(self, run_id: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Every number over time: name -> (steps, values). Names are `loss/NETWORK/TERM`, `train_top1/NETWORK`,
        `top1/NETWORK`, `nll/NETWORK`, `ece/NETWORK` (validation), `share/TERM`, `weight/TERM`, `temperature/TERM`,
        `learning_rate`, `images_per_second`, `layer_weight/TERM/LAYER`, `gradient/TERM`, `gradient_share/TERM`,
        `adapted/TERM` (the factor on its weight), `figure/TERM/NAME` (what a term says of itself, also `NAME/LAYER`).
        The arrays are read-only and stay as they are."""
        fold = self._fold(self.folder(run_id))
        with fold.lock:
            return {name: column.view() for name, column in fold.columns.items()}

    def version(self, run_id: str) -> int:
        """Grows whenever the run has something new: the number of bytes read of its events."""
        return self._fold(self.folder(run_id)).offset

    def probe(self, run_id: str, file: str) -> dict[str, np.ndarray]:
        """The arrays of a probe, by the `file` that its event names."""
        folder = self.folder(run_id)
        path = (folder / file).resolve()
        if path.parent != (folder / "probes").resolve() or not path.is_file():
            raise ValueError(f"Run {run_id} has no probe {file!r}.")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def checkpoint(self, run_id: str) -> Path | None:
        """The newest checkpoint that is on disk, or None."""
        for saved in reversed(self.state(run_id).checkpoints):
            if (path := self.folder(run_id) / saved["file"]).is_file():
                return path
        return None

    def snapshots(self, run_id: str) -> dict[int, Path]:
        """Student and twin as they were along the way: step -> file, the first one first. Empty for runs of before there were
        any, and for recordings."""
        return snapshots(self.folder(run_id))

    def delete(self, run_id: str) -> None:
        """Remove a run with all it holds. Refused while it is active and for recordings."""
        state = self.state(run_id)
        if state.recorded:
            raise ValueError(f"{run_id} is a recording that comes with the project; it cannot be deleted.")
        if state.status in ACTIVE:
            raise ValueError(f"Run {run_id} is {state.status}; stop it before deleting it.")
        with self.writer(run_id):  # nobody resumes it meanwhile
            gone = self.root / f".deleted-{run_id}"
            os.replace(self.folder(run_id), gone)  # at once, so that no half a run is ever listed
        shutil.rmtree(gone)
        with self._lock:
            self._folds.pop(run_id, None)
            self._over.pop(run_id, None)
            self._recipes.pop(run_id, None)
            self._alike.pop(run_id, None)

    def csv(self, run_id: str) -> str:
        """All series as one table: a row a step, a column a series, empty where nothing was measured."""
        series = self.series(run_id)
        rows: dict[int, dict[str, float]] = {}
        for name, (steps, values) in series.items():
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                rows.setdefault(step, {})[name] = value
        text = io.StringIO()
        table = csv.DictWriter(text, ["step", *series])
        table.writeheader()
        for step in sorted(rows):
            table.writerow({"step": step, **rows[step]})
        return text.getvalue()

    def _fold(self, folder: Path) -> Fold:
        with self._lock:
            fold = self._folds.pop(folder.name, None)
            if fold is None:
                fold = Fold(folder, recorded=bool(self.recorded) and folder.parent == self.recorded)
            self._folds[folder.name] = fold
            over = [run_id for run_id, held in self._folds.items() if held.over]
            for run_id in over[: max(0, len(self._folds) - HELD_FOLDS)]:
                del self._folds[run_id]  # whoever has it keeps it; it is read again when its series are asked for
        fold.refresh()
        return fold
