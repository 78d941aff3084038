"""The interface from the pages to the engine. Pages take nothing else of kdcore but plain data.

Most modules of the engine load torch, so they are imported on first use. Tests replace `runner`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from kdcore.checks import preflight
from kdcore.checks.findings import Finding, TeacherCheck
from kdcore.checks.findings import Remedy as Remedy  # for the pages
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, Recipe
from kdcore.recipe.study import Study
from kdcore.store import Store, Studies

if TYPE_CHECKING:
    from types import ModuleType

    from kdcore.data.preview import Preview
    from kdcore.inspection.method_cards import Entry


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


@runtime_checkable
class Runner(Protocol):
    """What pages use of `kdcore.runner.Runner`, which documents what each method does and raises."""

    store: Store

    def active(self) -> tuple[str, ...]: ...

    def start(self, recipe: Recipe) -> list[str]: ...

    def pause(self, run_id: str) -> None: ...

    def unpause(self, run_id: str) -> None: ...

    def stop(self, run_id: str) -> None: ...

    def resume(self, run_id: str) -> None: ...

    def set_knob(self, run_id: str, knob: str, factor: float) -> None: ...

    def start_study(self, study: Study) -> str: ...

    def stop_study(self, study_id: str) -> None: ...

    def resume_study(self, study_id: str) -> None: ...

    def estimate(self, recipe: Recipe) -> Cost: ...

    def check_teacher(self, recipe: Recipe) -> TeacherCheck: ...

    def close(self, timeout: float = ...) -> None: ...


def runner() -> Runner:
    """The runner of this process."""
    from kdcore import runner

    return runner.get()


def store() -> Store:
    return runner().store


def studies() -> Studies:
    return Studies(store())


def estimate(recipe: Recipe) -> Cost:
    """What a run will cost. Takes seconds. Raises UserError where the networks do not fit."""
    return runner().estimate(recipe)


def check_teacher(recipe: Recipe) -> TeacherCheck:
    """The check of a recipe's teacher. Takes seconds. Raises UserError where weights or images are missing."""
    return runner().check_teacher(recipe)


def teacher_check_is_quick(recipe: Recipe) -> bool:
    """Whether the teacher can be checked in seconds, without slowing down a run."""
    from kdcore.checks import teacher_check

    known_already = preflight.class_counts(recipe, store()) is not None
    return known_already or (not runner().active() and teacher_check.is_quick(recipe))


def pairings(recipe: Recipe) -> tuple[Finding, ...]:
    """Terms that cannot work with these two networks, or warn. Raises UserError where a network cannot be built."""
    from kdcore.checks import teacher_check

    return teacher_check.pairings(recipe, store())


def check_data(data: DataRecipe) -> None:
    """Refuse data that cannot be used: UserError."""
    preflight.check_data(data)


def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None where that is not known yet."""
    return preflight.data_classes(data)


def methods() -> dict[str, Entry]:
    """Every method by its name: its card, options and pairings."""
    from kdcore.inspection import method_cards

    return {entry.name: entry for entry in method_cards.entries()}


def trial(name: str) -> Recipe:
    """A short recipe with one method, on networks that come with the project."""
    from kdcore.inspection import method_cards

    return method_cards.trial(method_cards.entry(name))


def soft_labels() -> ModuleType:
    """The functions of `kdcore.inspection.soft_labels`: outputs of networks on test images, and losses of these outputs."""
    from kdcore.inspection import soft_labels

    return soft_labels


def preview(data: DataRecipe, count: int, seed: int) -> Preview:
    """A few training images, augmented, with their labels. Raises UserError where the data is missing."""
    from kdcore.data.preview import preview

    return preview(data, count, seed=seed)


def bundled() -> dict[str, dict[str, Any]]:
    """The trained models that come with the project: name -> card."""
    from kdcore import models

    return models.bundled()


def student_names() -> tuple[str, ...]:
    """The names of student networks that a form offers."""
    from kdcore import models

    return models.names()


def refusal(command: Callable[..., None], *arguments: Any) -> str:
    """Call a command of the runner or the store; returns why it was refused, or nothing."""
    try:
        command(*arguments)
    except UserError as error:
        return str(error)
    return ""
