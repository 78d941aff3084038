"""Forks of a run: which settings a fork may change, and which ones differ. A fork starts from the exact state of another run."""

from typing import Any

from kdcore.errors import RecipeError, shortened
from kdcore.recipe.base import Section
from kdcore.recipe.changing import with_values
from kdcore.recipe.recipe import Recipe

Settings = dict[str, Any]
# settings that decide what the state of a run consists of, or which images a step sees
FIXED = ("data", "teacher", "student", "twin", "seeds", "weighting", "optimizer.name", "optimizer.momentum")
FREE = ("data.augment",)
FIXED_OF_TERMS = ("method", "name", "layers", "adapt", "options")
OWN = ("name", "note")  # of each run


def forked(parent: Recipe, changes: Settings, *, epoch: float) -> Recipe:
    """The recipe of a fork.

    Args:
        changes: dotted setting -> value, as in `changing.with_values`.
        epoch: of the parent, at which the fork begins.

    Raises:
        RecipeError: a setting does not exist, does not fit, or cannot change in the middle of a run.
    """
    child = with_values(parent, changes, source="the fork")
    for key, (before, after) in changed(parent, child).items():
        if _is_fixed(key):
            raise RecipeError(
                f"A fork cannot change `{key}` (from {shortened(before)} to {shortened(after)}): it starts from the weights and "
                "the optimizer's state of the run. Start a new run for that."
            )
    if child.epochs <= epoch:
        raise RecipeError(
            f"The fork begins after epoch {epoch:g}, so `epochs` must be more than that, not {child.epochs}."
        )
    return child


def changed(parent: Recipe, child: Recipe) -> dict[str, tuple[Any, Any]]:
    """The settings in which two recipes differ, but for name and note: dotted setting -> both values, None where one has no such
    setting."""
    before, after = _flat(parent), _flat(child)
    keys = [key for key in {**before, **after} if key not in OWN]
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def _is_fixed(key: str) -> bool:
    if key in FREE:
        return False
    first, *rest = key.split(".")
    if first == "terms":  # their number, and what their parameters and memory belong to
        return len(rest) < 2 or rest[1] in FIXED_OF_TERMS
    return any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED)


def _flat(section: Section, name: str = "") -> Settings:
    """A section's settings by dotted name, `terms` as their number and those of each."""
    found: Settings = {}
    for field in type(section).model_fields:
        key, value = f"{name}{field}", getattr(section, field)
        if isinstance(value, Section):
            found |= _flat(value, f"{key}.")
        elif field == "terms":
            found[key] = len(value)
            for place, term in enumerate(value):
                found |= _flat(term, f"{key}.{place}.")
        else:
            found[key] = value
    return found
