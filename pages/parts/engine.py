"""The one door from the pages to the engine: tests put another runner here.

Its modules load torch, which a page never does by itself; so they are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from kdcore.checks import preflight
from kdcore.checks.findings import Examination, Finding
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, Recipe
from kdcore.store import Store, Studies

if TYPE_CHECKING:
    from kdcore.inspection.method_cards import Entry


class Cost(Protocol):
    """What `kdcore.setup.cost` says of a recipe."""

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


def runner() -> Any:
    """The process's own Runner."""
    from kdcore import runner

    return runner.get()


def store() -> Store:
    return runner().store


def studies() -> Studies:
    return Studies(store())


def estimate(recipe: Recipe) -> Cost:
    """What a run will cost. Takes seconds; ValueError where the networks do not fit."""
    return runner().estimate(recipe)


def examine(recipe: Recipe) -> Examination:
    """What the teacher is worth. Takes seconds; ValueError where weights or images cannot be had."""
    examination: Examination = runner().examine(recipe)
    return examination


def examined_unasked(recipe: Recipe) -> bool:
    """Whether the teacher can be examined in seconds, and no run would wait for it."""
    from kdcore.checks import teacher_check

    known_already = preflight.class_counts(recipe, store()) is not None
    return known_already or (not runner().active() and teacher_check.cheap(recipe))


def pairings(recipe: Recipe) -> tuple[Finding, ...]:
    """Terms that cannot work between these two networks, or warn. ValueError where a network cannot be built."""
    from kdcore.checks import teacher_check

    return teacher_check.pairings(recipe, store())


def methods() -> dict[str, Entry]:
    """Every method by its name: its card, options and pairings."""
    from kdcore.inspection import method_cards

    return {entry.name: entry for entry in method_cards.entries()}


def trial(name: str) -> Recipe:
    """A recipe that shows a method on networks that come with the project."""
    from kdcore.inspection import method_cards

    return method_cards.trial(method_cards.entry(name))


def answers() -> Any:
    """The module that asks networks about test images, and losses about what they say."""
    from kdcore.inspection import soft_labels

    return soft_labels


def preview(data: DataRecipe, count: int, seed: int) -> Any:
    """A few training images as the networks are shown them, with their labels. ValueError where the data is not there."""
    from kdcore.data.preview import preview

    return preview(data, count, seed=seed)


def bundled() -> dict[str, dict[str, Any]]:
    """The trained models that come with the project: name -> card."""
    from kdcore import models

    return models.bundled()


def student_names() -> tuple[str, ...]:
    """Networks that are small enough to learn here."""
    from kdcore import models

    return models.names()


def obeys(command: Callable[..., None], *arguments: Any) -> str:
    """Give the runner a command; returns why it cannot be followed, or nothing."""
    try:
        command(*arguments)
    except UserError as error:
        return str(error)
    return ""
