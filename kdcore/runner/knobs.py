"""The settings of a run that can be changed while it trains, and what they may be set to."""

from kdcore import methods
from kdcore.errors import UserError
from kdcore.recipe import Recipe

LEAST_TEMPERATURE = 0.05  # as a factor
MOST_FACTOR = 100.0


def names(recipe: Recipe) -> tuple[str, ...]:
    """`learning_rate`, `weight/TERM`, and `temperature/TERM` of the terms that use one."""
    known = methods.names()  # without a plugin that is not loaded
    hot = [term.label for term in recipe.terms if term.method in known and methods.get(term.method).uses_temperature]
    weights = (f"weight/{term.label}" for term in recipe.terms)
    return ("learning_rate", *weights, *(f"temperature/{label}" for label in hot))


def check(recipe: Recipe, knob: str, factor: float) -> None:
    """Raises UserError where a run of this recipe has no such knob, or it does not take this factor."""
    if knob not in (known := names(recipe)):
        raise UserError(f"{knob!r} is not a knob of this run. Its knobs: {', '.join(known)}.")
    least = LEAST_TEMPERATURE if knob.startswith("temperature/") else 0
    if not least <= factor <= MOST_FACTOR:
        raise UserError(f"{knob} takes a factor from {least:g} to {MOST_FACTOR:g}, not {factor:g}.")
