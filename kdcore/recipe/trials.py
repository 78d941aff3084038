"""Trials: variants of a study drawn from lists and ranges of values, at random or by a search."""

import contextlib
import math
import random
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from kdcore.errors import RecipeError, UserError, shortened
from kdcore.recipe.base import Section

MOST_TRIALS = 500
DIGITS = 4  # significant ones of a drawn value
LARGEST, SMALLEST = 1e15, 1e-100  # ends of a range; the second of a logarithmic one
MOST_REPEATS = 1000  # draws in a row that are known already
Values = tuple[Any, ...]


def number_or(value: Any) -> Any:
    """A number for text such as 1e-3, which YAML reads as text for lack of a point."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


Number = Annotated[int | float, BeforeValidator(number_or)]


class Range(Section):
    """All values between two ends, which are included; whole numbers where both ends are."""

    low: Number
    high: Number
    log: bool = Field(False, description="equal chances for equal ratios, as suits a learning rate")

    @model_validator(mode="after")
    def _runs_upwards(self) -> "Range":
        if trouble := _trouble(self.low, self.high, self.log):
            raise UserError(trouble)
        return self

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> int | float:
        """The value at a share in [0, 1) of the range."""
        low, high = self.low, self.high + self.whole
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        return min(int(value), int(self.high)) if self.whole else rounded(value)


class Trials(Section):
    """How many variants are drawn from the values in `vary`, and how."""

    count: int = Field(20, ge=1, le=MOST_TRIALS, description="number of variants")
    by: Literal["random", "tpe"] = Field(
        "random", description="`random`; `tpe`: each one by Optuna, from the validation accuracy of those before it"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="of the draws")
    prune: bool = Field(True, description="a search stops trials whose validation accuracy is below the median so far")


def rounded(value: float) -> float:
    """A drawn number to four significant digits, so that its label says exactly what ran."""
    return float(f"{value:.{DIGITS}g}")


def drawn(vary: dict[str, Values | Range], trials: Trials) -> list[dict[str, Any]]:
    """`trials.count` different variants drawn at random: setting -> value. The same seed draws the same.

    Raises:
        RecipeError: there are not as many different ones.
    """
    chance = random.Random(trials.seed)
    found: list[dict[str, Any]] = []
    repeats = 0
    while len(found) < trials.count:
        settings = {key: _one(values, chance.random()) for key, values in vary.items()}
        if settings not in found:
            found.append(settings)
            repeats = 0
        elif (repeats := repeats + 1) == MOST_REPEATS:
            raise RecipeError(
                f"{trials.count} different variants were to be drawn, but these values have only {len(found)}: draw fewer, or "
                "give more values."
            )
    return found


def _one(values: Values | Range, share: float) -> Any:
    return values.at(share) if isinstance(values, Range) else values[int(share * len(values))]


def ends(vary: dict[str, Values | Range]) -> list[dict[str, Any]]:
    """The variants at both ends of all values, to check before a search."""
    first = {key: values.low if isinstance(values, Range) else values[0] for key, values in vary.items()}
    last = {key: values.high if isinstance(values, Range) else values[-1] for key, values in vary.items()}
    return [first, last]


def range_of(text: str) -> Range | None:
    """`1e-4..1e-2` or `1e-4..1e-2:log` -> the range; None for text without `..` between numbers, such as a path.

    Raises:
        RecipeError: one of the ends is missing or no number, or they do not run upwards.
    """
    body, _, scale = text.strip().partition(":")
    low, dots, high = body.partition("..")
    ends = [number for each in (low, high) if (number := _end(each)) is not None]
    if not dots or not ends:
        return None
    if len(ends) < 2 or scale not in ("", "log"):
        raise RecipeError(
            f"{shortened(text)} is not a range: LOW..HIGH or LOW..HIGH:log was expected, such as 1e-4..1e-2:log."
        )
    if trouble := _trouble(ends[0], ends[1], bool(scale)):
        raise RecipeError(f"{shortened(text)} is not a range: {trouble}.")
    return Range.model_validate({"low": ends[0], "high": ends[1], "log": bool(scale)})


def _trouble(low: float, high: float, log: bool) -> str:
    """Why two numbers are no range; empty where they are one."""
    if not low < high:  # also where one of them is not a number
        return f"a range runs from a lower to a higher number, not from {shortened(low)} to {shortened(high)}"
    if not -LARGEST <= low < high <= LARGEST:
        return f"a range lies between {-LARGEST:g} and {LARGEST:g}; it runs from {shortened(low)} to {shortened(high)}"
    if log and low < SMALLEST:
        return f"a logarithmic range starts above 0{f', at {SMALLEST:g} or higher' if low > 0 else ''}, not at {low}"
    return ""


def _end(text: str) -> int | float | None:
    kinds: tuple[type[int] | type[float], ...] = (int, float)
    for kind in kinds:
        with contextlib.suppress(ValueError):
            return kind(text)
    return None
