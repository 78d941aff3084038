"""Runs: trained, pruned, found again, and the parts of one for a loop of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import recipe as recipes
from kdcore.api.networks import load
from kdcore.api.recipes import RecipeLike, load_recipe
from kdcore.checks import before_run
from kdcore.cli import options, progress
from kdcore.cli.export import Format, write
from kdcore.errors import UserError
from kdcore.models import Tapped
from kdcore.paths import given
from kdcore.recipe import Recipe
from kdcore.results.comparison import sentence, summarise, with_interval
from kdcore.setup import build as _setup
from kdcore.store import RunState, Store
from kdcore.training.evaluation import drained
from kdcore.training.state import Parts


@dataclass(frozen=True)
class Run:
    """A run on disk. What it says is read when it is asked for, so a run in progress can be watched.

    id: as the app and `python -m kdcore runs` show it.
    """

    id: str
    store: Store = field(repr=False, compare=False)

    @property
    def folder(self) -> Path:
        return self.store.folder(self.id)

    @property
    def state(self) -> RunState:
        """Status, progress, latest validation metrics, notes and warnings."""
        return self.store.state(self.id)

    @property
    def recipe(self) -> Recipe:
        return self.store.recipe(self.id)

    @property
    def results(self) -> dict[str, dict[str, float]]:
        """Network -> metric -> value on the test images, as fractions; empty until the run has finished.

        `difference` (student - twin) has an interval only where `print(run)` draws a conclusion.
        """
        return with_interval(self.state.outcome)

    @property
    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> (steps, values), such as `loss/student/total` and `top1/twin`; see `Store.series` for all names."""
        return self.store.series(self.id)

    def network(self, name: str = "student") -> Tapped:
        """The run's student, twin or teacher, in eval mode. Raises UserError where it has none, or no checkpoint yet."""
        return load(f"run:{self.id}/{name}", store=self.store)

    def export(
        self,
        out: str | Path,
        format: Format | None = None,
        *,
        network: str = "student",
        licence: str = "unknown",
    ) -> str:
        """Write the student, twin or teacher for other programs; returns what was written and measured, in sentences.

        `out` is a .safetensors or .onnx file, or for `hub` a new folder. `format` is safetensors, onnx, int8 (ONNX, calibrated on
        validation images) or hub, by the ending of `out` unless given; `licence` is for hub's model card. See docs/deploy.md.
        """
        reference = f"run:{self.id}/{network}"
        return "\n".join(write(reference, given(out), format, licence=licence, runs=self.store))

    def __str__(self) -> str:
        state = self.state
        if state.status != "finished":
            return f"{state.name} ({self.id}): {state.status}" + (f". {state.reason}" if state.reason else "")
        return f"{state.name} ({self.id}): {sentence(summarise([self.store.outcome(self.id)]))}"


def distill(
    source: RecipeLike, *, seed: int | None = None, device: str | None = None, show: bool = True, **settings: Any
) -> Run:
    """Train a student, and its twin where the recipe has one; returns when the run has ended.

    An interruption (Ctrl-C, or a notebook's stop button) stops the run with a checkpoint and returns it.

    Args:
        source: as for `load_recipe`, with `settings`.
        seed: of initialisation, batches and augmentation; the recipe's first unless given.
        device: cpu, cuda, cuda:1 or mps; a GPU where there is one.
        show: a progress bar and the results.

    Raises:
        UserError: something does not fit, which is reported before the run; or the run failed.
    """
    made = load_recipe(source, **settings)
    made = recipes.with_values(
        made, {"seeds": [made.seeds[0] if seed is None else seed]}, source="the seed of the call"
    )
    store = options.store()
    before_run.check(made, store, options.torch_device(device))
    with progress.running(device=device, quiet=not show) as (runner, watcher):
        (run_id,) = runner.start(made)
        progress.follow(runner, [run_id], watcher)
    ended = Run(run_id, store)
    if ended.state.status == "failed":
        raise UserError(f"The run {run_id} failed. {ended.state.reason}")
    return ended


def prune(
    network: Run | str,
    to: float = 0.5,
    score: str = "attention",
    *,
    epochs: int = 5,
    device: str | None = None,
    show: bool = True,
    **settings: Any,
) -> Run:
    """Prune a run's student and fine-tune it by distillation as a new run, which is returned when it has ended.

    Args:
        network: a run (its student), `run:ID/student` or `run:ID/twin`.
        to: the share of multiply-accumulates to keep, above 0 and below 1.
        score: by which channels are kept: attention (where the teacher looks), energy, magnitude or random.
        epochs: of fine-tuning, with the recipe of that run.
        settings: values that replace the recipe's, as for `load_recipe`.

    Raises:
        UserError: the network cannot be pruned so, or the run failed.
    """
    from kdcore.pruning import students

    store, reference = options.store(), f"run:{network.id}/student" if isinstance(network, Run) else str(network)
    place = options.torch_device(device)
    file = students.prune_student(reference, store, to, students.known(score), device=place, report=options.noted)
    return distill(students.fine_tuning(file, store, epochs), device=device, show=show, **settings)


def run(run_id: str) -> Run:
    """An earlier run by its id. Raises UserError where there is none."""
    found = Run(str(run_id), options.store())
    _ = found.folder
    return found


def build(source: RecipeLike, *, seed: int = 0, device: str | None = None, **settings: Any) -> Parts:
    """The parts of a run for a training loop of your own: `for event in kd.train(kd.build("quick")): ...`.

    Nothing is written to disk, and `train` is a generator of events that ends with `RunFinished`.
    """
    return drained(
        _setup.build_parts(
            load_recipe(source, **settings), seed=seed, device=options.torch_device(device), runs=options.store()
        )
    )
