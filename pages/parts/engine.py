"""The one door from the pages to the engine: tests put another runner here.

Its modules load torch, which a page never does by itself; so they are imported when they are asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from kdcore import preflight
from kdcore.recipe import Recipe
from kdcore.store import Store


@dataclass(frozen=True)
class MethodCard:
    name: str
    about: str  # a sentence
    uses_teacher: bool
    uses_temperature: bool


class Cost(Protocol):
    """What `kdcore.estimate` says of a recipe."""

    teacher_parameters: int
    student_parameters: int
    teacher_flops: int
    student_flops: int
    images: int
    steps: int
    seconds: float
    device: str


def runner() -> Any:
    """The process's own Runner."""
    from kdcore import runner

    return runner.get()


def store() -> Store:
    return runner().store


def refused(recipe: Recipe) -> str:
    """Why a recipe cannot work, as far as names and cards tell; empty where it can."""
    try:
        preflight.check(recipe, store())
    except ValueError as error:
        return str(error)
    return ""


def estimate(recipe: Recipe) -> Cost:
    """What a run will cost. Takes seconds; ValueError where the networks do not fit."""
    return runner().estimate(recipe)


@lru_cache(maxsize=1)
def methods() -> dict[str, MethodCard]:
    """Every method by its name."""
    import sys

    from kdcore import methods

    cards = {}
    for name in methods.names():
        method = methods.get(name)
        about = (sys.modules[method.__module__].__doc__ or name).strip().split("\n\n")[0].replace("\n", " ")
        cards[name] = MethodCard(name, about, method.uses_teacher, method.uses_temperature)
    return cards


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
    except ValueError as error:
        return str(error)
    return ""
