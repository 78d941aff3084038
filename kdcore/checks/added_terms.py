"""Refuses terms that a fork adds and that would need a state, which the run it begins from does not have."""

from kdcore import methods
from kdcore.checks import networks
from kdcore.data import loading
from kdcore.errors import RecipeError
from kdcore.methods.base import Method
from kdcore.models.sources import without_weights
from kdcore.recipe import Recipe
from kdcore.store import Store


def check(recipe: Recipe, before: int, runs: Store | None = None) -> None:
    """Check the terms of a fork's recipe that follow the first `before`, which the other run has.

    Raises:
        RecipeError: a term has parameters or a memory of its own, or the weights of the terms are learned.
    """
    added = recipe.terms[before:]
    if not added:
        return
    if recipe.weighting == "uncertainty":
        raise RecipeError(
            f"A fork cannot add {added[0].label!r}: with `weighting: uncertainty` each term has a learned weight, which is part of the "
            "run's state. Start a new run for that."
        )
    classes = loading.classes(recipe.data)
    student = networks.shapes_of(without_weights(recipe.student, runs), classes, recipe.data.image_size)
    taught = without_weights(recipe.teacher, runs) if recipe.teacher else None
    teacher = networks.shapes_of(taught, classes, recipe.teacher_size) if taught else None
    for term in added:
        if term.adapt:
            raise RecipeError(f"A fork cannot add {term.label!r} with `adapt`: its history is part of a run's state.")
        if has_state(methods.build(term, student, teacher)):
            raise RecipeError(
                f"A fork cannot add {term.label!r}: it has parameters or a memory of its own, which the state of the run does not "
                "hold. Add a method without, such as kd or sp, or start a new run."
            )


def has_state(method: Method) -> bool:
    """Whether a method learns, remembers or prepares anything."""
    kind = type(method)
    prepared = kind.prepare is not Method.prepare or kind.see_data is not Method.see_data
    return prepared or any(True for _ in method.parameters()) or bool(method.state_dict())
