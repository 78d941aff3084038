"""Forks on disk: a run's folder that begins with the state of another run, and which runs belong to one family."""

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.events import CheckpointSaved, RunForked
from kdcore.files import atomic, disk
from kdcore.recipe import Recipe, forking, weight_header
from kdcore.store.run_files import recipe_file
from kdcore.store.run_files.completeness import is_whole
from kdcore.store.run_files.writing import CHECKPOINTS, RunWriter
from kdcore.store.runs import Store
from kdcore.store.state import ACTIVE, RunState

TEACHER = "teacher.safetensors"  # of a run that trained or drew its teacher's weights itself
Plain = dict[str, Any]


def create(
    store: Store,
    parent_id: str,
    changes: Plain,
    *,
    step: int | None = None,
    schedules: forking.Schedules = "stretched",
    add: Sequence[Plain] = (),
    remove: Sequence[str] = (),
) -> tuple[str, Recipe]:
    """Create a run that continues from a checkpoint of another one; returns its id and recipe. The parent is only read.

    Args:
        changes, schedules, add, remove: see `recipe.forking.forked`.
        step: of the checkpoint; the newest where it is None.

    Raises:
        UserError: there is no such run or checkpoint, a setting cannot change, or the disk is full. Nothing is left behind.
    """
    saved, path = checkpoint_at(store, parent_id, step)
    parent = store.recipe(parent_id)
    recipe = forking.forked(parent, changes, epoch=saved["epoch"], schedules=schedules, add=add, remove=remove)
    run_id, settings = store.new_id(recipe), forking.changed(parent, recipe)
    with disk.in_words(store.root, then="fork the run again"), atomic.new_folder(store.root / run_id) as made:
        recipe_file.write(made, recipe)
        (made / CHECKPOINTS).mkdir()
        copy = made / CHECKPOINTS / path.name
        shutil.copyfile(path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(store.folder(parent_id) / TEACHER, made / TEACHER)
        with RunWriter(made) as writer:
            at = saved["step"], saved["epoch"]
            writer.append(RunForked(*at, parent_id, {key: list(both) for key, both in settings.items()}, _knobs(copy)))
            writer.append(CheckpointSaved(*at, f"{CHECKPOINTS}/{copy.name}"))
    return run_id, recipe


def checkpoint_at(store: Store, run_id: str, step: int | None = None) -> tuple[Plain, Path]:
    """A whole checkpoint of a run: its step, epoch and file name, and its path. The newest where `step` is None.

    Raises:
        UserError: there is none, or none at this step; the message names those there are.
    """
    folder, run = store.folder(run_id), store.state(run_id)
    found = {saved["step"]: saved for saved in run.checkpoints}
    whole = {at: saved for at, saved in found.items() if (folder / saved["file"]).is_file()}
    whole = {at: saved for at, saved in whole.items() if is_whole(folder / saved["file"])}
    if not whole:
        why = "its state is saved at the end of each epoch, and when it is paused"
        if run.status not in ACTIVE:
            why = "train its recipe again, and fork that run"
        raise UserError(f"Run {run_id} is {run.status} and has no checkpoint to start from: {why}.")
    chosen = max(whole) if step is None else step
    if chosen not in whole:
        there = ", ".join(str(at) for at in sorted(whole))
        raise UserError(f"Run {run_id} has no checkpoint at step {step}; it has some at step {there}.")
    return whole[chosen], folder / whole[chosen]["file"]


def family(store: Store, run_id: str) -> str:
    """The run that a run was forked from, directly or by others; the run itself where it was not, or the other is deleted."""
    seen = [run_id]
    with contextlib.suppress(UserError):  # where a parent is deleted
        while (parent := store.state(seen[-1]).parent) and parent not in seen and store.folder(parent):
            seen.append(parent)
    return seen[-1]


def tree(states: list[RunState], run_id: str) -> list[tuple[int, RunState]]:
    """The family of a run as a tree: each run with its depth, parents before their forks. Runs whose parent is deleted begin a
    tree of their own."""
    by_id = {state.id: state for state in states}
    root = run_id
    while (parent := by_id[root].parent) in by_id and parent != run_id:
        root = parent
    forks: dict[str, list[RunState]] = {}
    for state in sorted(states, key=lambda state: (state.created, state.id)):
        forks.setdefault(state.parent, []).append(state)
    found: list[tuple[int, RunState]] = []

    def add(state: RunState, depth: int) -> None:
        if all(state.id != known.id for _, known in found):
            found.append((depth, state))
            for fork in forks.get(state.id, []):
                add(fork, depth + 1)

    add(by_id[root], 0)
    return found


def _knobs(path: Path) -> dict[str, float]:
    """The factors that a user had set when a checkpoint was saved."""
    knobs: dict[str, float] = json.loads(weight_header.metadata(path)["state"])["knobs"]
    return knobs
