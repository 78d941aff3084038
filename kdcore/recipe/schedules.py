"""Schedules: from the progress of a run, in [0, 1], to a number; for learning rate, weights and temperatures.

In a recipe a schedule is a number or one key with its settings:

    3.0                                     the same all the time
    {linear: [3.0, 1.0]}                    from the first value to the second
    {cosine: [3.0, 1.0]}                    the same, slow at both ends
    {steps: {start: 0.1, factor: 0.1, at: [30, 40]}}      multiplied at the start of those epochs (1-based)
    {piecewise: [[1, 3.0], [20, 2.0], [21, 1.5], [50, 1.0]]}   values at epochs (1-based), straight lines between
    {scaled: {schedule: 0.9, factors: [[3.5, 2.0], [6, 1.0]]}}  a schedule times a factor from a moment on: here from the
                                            middle of epoch 3 to the start of epoch 6. A user who turns a knob does the same
    {held: {schedule: {linear: [3.0, 1.0]}, epochs: 10}}        the schedule of a run of 10 epochs, then its last value
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kdcore.errors import UserError, shortened

Schedule = Callable[[float], float]
EXAMPLES = {
    "linear": "{linear: [3.0, 1.0]}",
    "cosine": "{cosine: [3.0, 1.0]}",
    "steps": "{steps: {start: 0.1, factor: 0.1, at: [30, 40]}}",
    "piecewise": "{piecewise: [[1, 3.0], [20, 2.0]]}",
    "scaled": "{scaled: {schedule: 0.9, factors: [[3.5, 2.0]]}}",
    "held": "{held: {schedule: {linear: [3.0, 1.0]}, epochs: 10}}",
}
MOST_POINTS = 1000
MOST_LENGTH = 10_000  # epochs
MOST_NESTED = 4  # schedules in each other


@dataclass(frozen=True)
class Constant:
    value: float

    def __call__(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    start: float
    end: float

    def __call__(self, progress: float) -> float:
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Cosine:
    start: float
    end: float

    def __call__(self, progress: float) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Steps:
    """`start`, multiplied by `factor` at the beginning of each epoch in `at` (1-based)."""

    start: float
    factor: float
    at: tuple[float, ...]
    epochs: int

    def __call__(self, progress: float) -> float:
        return self.start * self.factor ** bisect_right(self.at, epoch(progress, self.epochs))


@dataclass(frozen=True)
class Piecewise:
    """Linear interpolation between (epoch, value) points; constant within an epoch, so that values may jump between two
    consecutive epochs."""

    points: tuple[tuple[float, float], ...]
    epochs: int

    def __call__(self, progress: float) -> float:
        now = epoch(progress, self.epochs)
        after = bisect_left(self.points, float(now), key=lambda point: point[0])
        if after in (0, len(self.points)):
            return self.points[min(after, len(self.points) - 1)][1]
        (left, low), (right, high) = self.points[after - 1 : after + 1]
        return low + (high - low) * (now - left) / (right - left)


@dataclass(frozen=True)
class Scaled:
    """`schedule`, times the factor of the last (moment, factor) so far. A moment is an epoch (1-based) with its fraction: 3.5 is the
    middle of the third."""

    schedule: Schedule
    factors: tuple[tuple[float, float], ...]
    epochs: int

    def __call__(self, progress: float) -> float:
        now = progress * self.epochs + 1 + 1e-9  # the small addend as in `epoch`
        begun = bisect_right(self.factors, now, key=lambda point: point[0])
        return self.schedule(progress) * (self.factors[begun - 1][1] if begun else 1.0)


@dataclass(frozen=True)
class Held:
    """The schedule of a run of `until` epochs, in one of `epochs`; then its last value."""

    schedule: Schedule
    until: int
    epochs: int

    def __call__(self, progress: float) -> float:
        return self.schedule(min(progress * self.epochs / self.until, 1.0))


@dataclass(frozen=True)
class Warmup:
    """`after`, scaled linearly from zero over the first `share` of the run."""

    after: Schedule
    share: float

    def __call__(self, progress: float) -> float:
        if progress >= self.share:
            return self.after(progress)
        return self.after(progress) * progress / self.share


def epoch(progress: float, epochs: int) -> int:
    """The epoch (1-based) at a run's progress."""
    # the small addend keeps 20/50 * 50 from becoming epoch 19 by rounding
    return min(int(progress * epochs + 1e-9) + 1, epochs)


def _finite(value: Any) -> float:
    if isinstance(value, bool):
        raise UserError("true and false, which YAML also reads from yes, no, on and off, are not numbers")
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise UserError("the numbers must be finite")
    return number


def _power(factor: float, times: int) -> float:
    try:
        return float(factor**times)
    except OverflowError:
        return math.inf


def _at_most(values: Any) -> Any:
    if len(values) > MOST_POINTS:
        raise UserError(f"{len(values):,} epochs; at most {MOST_POINTS:,} are allowed")
    return values


def _points(given: Any) -> tuple[tuple[float, float], ...]:
    """Pairs of a rising epoch and a value."""
    points = tuple((_finite(epoch), _finite(value)) for epoch, value in _at_most(given))
    if not points or any(b[0] <= a[0] for a, b in pairwise(points)):
        raise UserError("the epochs must rise")
    return points


def _whole(epochs: Any) -> int:
    if type(epochs) is not int or not 1 <= epochs <= MOST_LENGTH:
        raise UserError(f"`epochs` must be a whole number from 1 to {MOST_LENGTH:,}")
    return epochs


def _inner(spec: Any, epochs: int, nested: int) -> Schedule:
    """A schedule within another one."""
    if nested >= MOST_NESTED:
        raise UserError(f"at most {MOST_NESTED} schedules may be within each other")
    return parse(spec, epochs, nested=nested + 1)


def parse(spec: Any, epochs: int, *, nested: int = 0) -> Schedule:
    """The schedule that a recipe describes.

    Args:
        spec: a number, a schedule of this module's notation (see its docstring).
        epochs: length of the run, which `steps`, `piecewise` and `scaled` count in.
        nested: in how many schedules this one is.

    Raises:
        ValueError: the notation is not one of this module's; the message shows one that is.
    """
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        try:
            return Constant(_finite(spec))
        except ValueError:
            raise UserError(f"A schedule needs finite numbers, not {shortened(spec)}.") from None
    if not isinstance(spec, dict) or len(spec) != 1 or next(iter(spec)) not in EXAMPLES:
        raise UserError(
            f"A schedule is a number or one of {', '.join(EXAMPLES)}, not {shortened(spec)}. For example {{linear: [3.0, 1.0]}}."
        )
    kind, settings = next(iter(spec.items()))
    try:
        return _of_kind(kind, settings, epochs, nested)
    except (TypeError, ValueError, KeyError) as error:
        why = f" ({error})" if isinstance(error, UserError) else ""
        raise UserError(
            f"The settings of schedule '{kind}' are not valid: {shortened(settings)}{why}. Expected, for example, {EXAMPLES[kind]}."
        ) from None


def _of_kind(kind: str, settings: Any, epochs: int, nested: int) -> Schedule:
    """Raises TypeError, ValueError or KeyError where the settings are not those of this kind."""
    match kind:
        case "linear" | "cosine":
            start, end = settings
            return (Linear if kind == "linear" else Cosine)(_finite(start), _finite(end))
        case "steps":
            start, factor = _finite(settings["start"]), _finite(settings["factor"])
            at = tuple(sorted(map(_finite, _at_most(settings["at"]))))
            _finite(start * _power(factor, len(at)))
            return Steps(start, factor, at, epochs)
        case "scaled":
            factors = _points(settings["factors"])
            if min(factor for _, factor in factors) < 0:
                raise UserError("the factors must be at least 0")
            return Scaled(_inner(settings["schedule"], epochs, nested), factors, epochs)
        case "held":
            until = _whole(settings["epochs"])
            return Held(_inner(settings["schedule"], until, nested), until, epochs)
        case _:
            return Piecewise(_points(settings), epochs)


def lowest(spec: Any, epochs: int) -> float:
    """The least value of a schedule in a run of so many epochs."""
    return min(_extremes(parse(spec, epochs), epochs))


def highest(spec: Any, epochs: int) -> float:
    """The greatest value of a schedule in a run of so many epochs."""
    return max(_extremes(parse(spec, epochs), epochs))


def _extremes(schedule: Schedule, epochs: int) -> list[float]:
    """Values of a schedule, the least and the greatest among them; of a scaled or held one, bounds."""
    match schedule:
        case Scaled():
            factors = {1.0} | {factor for _, factor in schedule.factors}
            return [value * factor for value in _extremes(schedule.schedule, epochs) for factor in factors]
        case Held():
            return _extremes(schedule.schedule, schedule.until)
        case Steps():
            turns: tuple[float, ...] = schedule.at
        case Piecewise():
            turns = tuple(point[0] for point in schedule.points)
        case _:
            return [schedule(0.0), schedule(1.0)]  # monotonic
    beside = {1, epochs} | {whole for turn in turns for whole in (math.floor(turn), math.ceil(turn))}
    return [schedule((epoch - 1) / epochs) for epoch in beside if 1 <= epoch <= epochs]
