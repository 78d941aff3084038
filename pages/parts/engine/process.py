"""The runner, store and studies of this process, as far as a visit may use them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from kdcore import paths
from kdcore.checks.findings import TeacherCheck
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.recipe.study import Study
from kdcore.store import Store, Studies
from pages.parts.engine.guards import visitors
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching


class Cost(Protocol):
    """What a recipe will cost, as `kdcore.setup.cost.Estimate` describes it."""

    teacher_parameters: int
    student_parameters: int
    teacher_flops: int
    student_flops: int
    images: int
    steps: int
    seconds: float
    device: str
    teacher_share: float
    view_bytes: int | None
    downloads: tuple[str, ...]
    curves_seconds: float


@runtime_checkable
class Runner(Protocol):
    """What pages use of `kdcore.runner.Runner`, which documents what each method does and raises."""

    store: Store

    def active(self) -> tuple[str, ...]: ...

    def start(self, recipe: Recipe, *, event_files: bool = False) -> list[str]: ...

    def pause(self, run_id: str) -> None: ...

    def unpause(self, run_id: str) -> None: ...

    def stop(self, run_id: str) -> None: ...

    def resume(self, run_id: str) -> None: ...

    def set_knob(self, run_id: str, knob: str, factor: float, *, by: str = "") -> None: ...

    def reset_knobs(self, run_id: str, *, by: str = "") -> None: ...

    def undo_knob(self, run_id: str, *, by: str = "") -> None: ...

    def start_study(self, study: Study) -> str: ...

    def stop_study(self, study_id: str) -> None: ...

    def resume_study(self, study_id: str) -> None: ...

    def estimate(self, recipe: Recipe) -> Cost: ...

    def check_teacher(self, recipe: Recipe) -> TeacherCheck: ...

    def prepare(self, recipe: Recipe) -> None: ...

    def close(self, timeout: float = ...) -> None: ...


def process_runner() -> Runner:
    """The runner of this process, whatever the role: for the server itself and for this module."""
    from kdcore import runner

    return runner.get()


def another_run_trains() -> bool:
    """Whether a process trains a run of the store, asked by the server before its own runner is there. Without torch."""
    return Store(paths.runs_folder()).is_training()


def draw_ahead(recipe: Recipe) -> subprocess.Popen[bytes] | None:
    """Begin to draw a recipe's images in a process of its own, for the server itself; None where they are on the disk. Without torch."""
    from kdcore.data import draw_ahead

    return draw_ahead.start(recipe)


@visitors
def runner() -> Runner:
    """The runner of this process, as far as this visit may use it."""
    real = process_runner()
    return real if roles.is_operator() else cast(Runner, watching.runner(real))


@visitors
def store() -> Store:
    """The runs, as far as this visit may use them."""
    return runner().store


@visitors
def studies() -> Studies:
    """The studies, as far as this visit may use them."""
    real = Studies(process_runner().store)
    return real if roles.is_operator() else cast(Studies, watching.studies(real))


@visitors
def refusal(command: Callable[..., None], *arguments: Any) -> str:
    """Call a command of the runner or the store; returns why it was refused, or nothing."""
    try:
        command(*arguments)
    except UserError as error:
        return str(error)
    return ""
