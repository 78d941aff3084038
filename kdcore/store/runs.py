"""The store: all runs in a folder, and the recordings that come with the project."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.files import atomic, disk
from kdcore.recipe import DataRecipe, Recipe
from kdcore.recipe.references import RandomWeights
from kdcore.results.comparison import ImagesTested, Outcome
from kdcore.store import deleting
from kdcore.store.folders import Folders
from kdcore.store.held import Held
from kdcore.store.lists.alike import seed_groups
from kdcore.store.replay import columns
from kdcore.store.run_files import arrays, environment, labels, recipe_file
from kdcore.store.run_files.completeness import is_whole
from kdcore.store.run_files.predictions import are_predictions
from kdcore.store.run_files.writing import RunWriter, is_alive, snapshots
from kdcore.store.state import ACTIVE, RunState


class Store:
    """The runs in a folder. Thread-safe; what it returns is immutable."""

    def __init__(self, root: Path, *, recorded: Path | None = None) -> None:
        """`recorded` is a second folder of runs, read-only, that come with the project."""
        self.root = root
        self.recorded = recorded
        self._folders = Folders(root, recorded)
        self._held = Held(self._folders)
        self._read_once = False
        self._labelling = threading.Lock()

    def new_id(self, recipe: Recipe) -> str:
        """An id for a new run, given out once; ids sort by time, also after the clock was set back."""
        return self._folders.new_id(recipe.name)

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
        self._folders.refuse_recorded(folder)
        self._held.forget_failure(run_id)
        return RunWriter(folder)

    def remember_failure(self, run_id: str, reason: str, traceback: str) -> None:
        """Remember in this process why a run failed, where the disk is too full to store it."""
        self._held.remember_failure(run_id, reason, traceback)

    def ids(self) -> list[str]:
        """Runs of this machine, newest first, then the recordings."""
        return [folder.name for folder in self._folders.all()]

    def folder(self, run_id: str) -> Path:
        """A run's folder. Raises UserError where there is no such run; an id cannot lead out of the store."""
        return self._folders.of(run_id)

    def recipe(self, run_id: str) -> Recipe:
        """A run's recipe, which never changes. Raises RecipeError where it cannot be read."""
        return self._held.recipe(self.folder(run_id))

    def is_training(self) -> bool:
        """Whether any process, also on another machine, writes a run of this store; no events are read."""
        return any(map(is_alive, self._folders.all()))

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
        return self._held.state(self.folder(run_id))

    def states(self) -> list[RunState]:
        """All runs, each read on its own, in the order of `ids`."""
        found = []
        for folder in self._held.folders():
            with suppress(UserError):  # deleted in the meantime
                found.append(self._held.state(folder))
        self._held.forget_others({state.id for state in found})
        return found

    def read_all(self, seconds: float = 0.5) -> Iterator[tuple[int, int]]:
        """Read the states of all runs once in this process, so that `states` is quick: how many were read and how many there
        are, every so many seconds. Thousands of runs that no process has read before take a while."""
        if self._read_once:
            return
        folders, due = self._held.folders(), time.monotonic() + seconds
        for place, folder in enumerate(folders):
            with suppress(UserError):  # deleted in the meantime
                self._held.state(folder)
            if time.monotonic() >= due:
                yield place + 1, len(folders)
                due = time.monotonic() + seconds
        self._read_once = True

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
        self._folders.refuse_recorded(folder)
        with self._labelling:
            after = labels.edit(
                folder, name=name, note=note, tags=tags, add_tags=add_tags, remove_tags=remove_tags, pinned=pinned,
                archived=archived,
            )  # fmt: skip
        self._held.forget_label(run_id)
        return after

    def series(self, run_id: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Every number over time: name -> (steps, values). Names are `loss/NETWORK/TERM`, `train_top1/NETWORK`,
        `top1/NETWORK`, `nll/NETWORK`, `ece/NETWORK` (validation), `share/TERM`, `weight/TERM`, `temperature/TERM`,
        `learning_rate`, `images_per_second`, `layer_weight/TERM/LAYER`, `gradient/TERM`, `gradient_share/TERM`,
        `adapted/TERM` (the factor on its weight), `figure/TERM/NAME` (a measurement of a term, also `NAME/LAYER`).
        The arrays are read-only and never change."""
        return self._held.replay(self.folder(run_id)).series()

    def version(self, run_id: str) -> int:
        """The number of bytes read of a run's events: it grows with each new one."""
        return self._held.replay(self.folder(run_id)).offset

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
        checksum = environment.test_images(self.environment(run_id))
        return replace(
            outcome,
            seed=recipe.seeds[0],
            redrawn=recipe.data.seed == "run",
            pretrained=not isinstance(recipe.student.reference, RandomWeights),
            predictions=self.test_predictions(run_id),
            tested_on=ImagesTested(_test_images(recipe.data), recipe.data.image_size, checksum) if checksum else None,
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
        state, folder = self.state(run_id), self.folder(run_id)
        self._folders.refuse_recorded(folder, then="deleted")
        if state.status in ACTIVE:
            raise UserError(f"Run {run_id} is {state.status}; stop it before deleting it.")
        deleting.delete(folder)
        self._held.forget(run_id)

    def csv(self, run_id: str) -> str:
        """All series as CSV: one row for each step, one column for each series, empty where nothing was measured."""
        return columns.as_csv(self.series(run_id))


def _test_images(data: DataRecipe) -> str:
    """The settings that decide which images a run is tested on, whatever their size."""
    parts: list[object] = [data.name, data.path, data.only, data.test_images]
    with suppress(UserError):  # the dataset of a plugin that is not here
        if data.test_images is not None or datasets.get(data.name).obtained == "drawn":
            parts.append(data.seed_of("test"))
    return repr(parts)
