"""Forks of a run: which settings a fork may change, and which ones differ. A fork starts from the exact state of another run."""

from collections.abc import Sequence
from typing import Any, Literal

from kdcore.errors import RecipeError, shortened
from kdcore.recipe.base import Section
from kdcore.recipe.changing import with_values
from kdcore.recipe.data import AUGMENTATION
from kdcore.recipe.recipe import Recipe
from kdcore.recipe.terms import Term

Settings = dict[str, Any]
Schedules = Literal["stretched", "continued"]
# settings that decide what the state of a run consists of, or which images a step sees
FIXED = ("data", "teacher", "student", "twin", "seeds", "weighting", "optimizer.name", "optimizer.momentum")
FREE = tuple(f"data.{name}" for name in AUGMENTATION)
FIXED_OF_TERMS = ("method", "name", "layers", "adapt", "options")
OWN = ("name", "note")  # of each run
COUNTED_IN_EPOCHS = {"steps", "piecewise", "held"}  # schedules that another number of epochs does not stretch


def forked(
    parent: Recipe,
    changes: Settings,
    *,
    epoch: float,
    schedules: Schedules = "stretched",
    add: Sequence[Settings] = (),
    remove: Sequence[str] = (),
) -> Recipe:
    """The recipe of a fork.

    Args:
        changes: dotted setting -> value, as in `changing.with_values`.
        epoch: of the parent, at which the fork begins.
        schedules: of another number of epochs: `stretched`, linear and cosine ones are those of a run of the new length; or
            `continued`, they are as in the parent up to its end, then their last value goes on.
        add: further terms, each as in a recipe. They begin without a state.
        remove: names of terms whose weight is 0 from here on.

    Raises:
        RecipeError: a setting does not exist, does not fit, or cannot change in the middle of a run.
    """
    child = with_values(parent, {**changes, **_removed(parent, remove)}, source="the fork")
    if schedules == "continued":
        child = with_values(child, _continued(parent, child, changes), source="the fork")
    if add:
        terms = [term.model_dump(mode="json") for term in child.terms]
        child = with_values(child, {"terms": [*terms, *add]}, source="the fork")
    for key, (before, after) in changed(parent, child).items():
        if _is_fixed(key, len(parent.terms)):
            leave_out = "; to leave out a term, remove it (its weight becomes 0)" if key == "terms" else ""
            raise RecipeError(
                f"A fork cannot change `{key}` (from {shortened(before)} to {shortened(after)}): it starts from the weights and "
                f"the optimizer's state of the run. Start a new run for that{leave_out}."
            )
    if child.epochs <= epoch:
        raise RecipeError(
            f"The fork begins after epoch {epoch:g}, so `epochs` must be more than that, not {child.epochs}."
        )
    if remove and not any(term.weight for term in child.terms):
        raise RecipeError("Without these terms the fork would learn nothing: leave one of them, or add another.")
    return child


def _removed(parent: Recipe, names: Sequence[str]) -> Settings:
    labels = [term.label for term in parent.terms]
    if unknown := [name for name in names if name not in labels]:
        raise RecipeError(f"The run has no term {unknown[0]!r} to remove. Its terms: {', '.join(labels)}.")
    return {f"terms.{labels.index(name)}.weight": 0.0 for name in names}


def _continued(parent: Recipe, child: Recipe, changes: Settings) -> Settings:
    """The schedules of the parent that a change of length would stretch, as schedules that end where the parent's do."""
    if child.epochs == parent.epochs:
        return {}
    at_the_end = parent.lr.schedule(parent.epochs)(1.0)
    if child.epochs > parent.epochs and not at_the_end and "lr.shape" not in changes:
        raise RecipeError(
            "The learning rate of this run ends at 0, so further epochs at its last value would teach nothing: let the schedules "
            "be stretched, or set another one, for example lr.shape=constant."
        )
    found = {"lr.shape": parent.lr.spec}
    for place, term in enumerate(parent.terms):
        found |= {f"terms.{place}.weight": term.weight, f"terms.{place}.temperature": term.temperature}
    return {
        key: {"held": {"schedule": spec, "epochs": parent.epochs}}
        for key, spec in found.items()
        if key not in changes and isinstance(spec, dict) and not spec.keys() & COUNTED_IN_EPOCHS
    }


def changed(parent: Recipe, child: Recipe) -> dict[str, tuple[Any, Any]]:
    """The settings in which two recipes differ, but for name and note: dotted setting -> both values, None where one has no such
    setting. A term that only the child has is one setting, in words."""
    before, after, terms = _flat(parent), _flat(child), len(parent.terms)
    added = {f"terms.{place}": (None, _in_words(term)) for place, term in enumerate(child.terms) if place >= terms}
    if added:
        after = {key: value for key, value in after.items() if _place(key) < terms} | {"terms": terms}
    keys = [key for key in {**before, **after} if key not in OWN]
    found = {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}
    return found | added


def _place(key: str) -> int:
    """The place of a term's setting among the terms; -1 for other settings."""
    first, *rest = key.split(".")
    return int(rest[0]) if first == "terms" and rest else -1


def _in_words(term: Term) -> str:
    weight = f"{term.weight:g}" if isinstance(term.weight, (int, float)) else f"{term.weight}"
    return f"{term.label} with weight {weight}"


def _is_fixed(key: str, terms: int) -> bool:
    """Whether a fork cannot change a setting of a parent with so many terms."""
    if _within(key, FREE) or _place(key) >= terms:
        return False
    first, *rest = key.split(".")
    if first == "terms":  # their number, and what their parameters and memory belong to
        return len(rest) < 2 or rest[1] in FIXED_OF_TERMS
    return _within(key, FIXED)


def _within(key: str, settings: Sequence[str]) -> bool:
    """Whether a setting is one of these, or inside one of them."""
    return any(key == each or key.startswith(f"{each}.") for each in settings)


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
