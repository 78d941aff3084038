"""A mean with its interval, and how differences of accuracies are written."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

MINUS = "−"
MOST_DIGITS = 4
LEAST_SEEDS = 3  # two say too little of how seeds vary


@dataclass(frozen=True)
class Figure:
    """A mean with its interval; without one where nothing is known of how it would vary."""

    mean: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def over_seeds(values: Sequence[float]) -> Figure:
    """Mean and 95 % interval by Student's t, for figures that have no values of single images; none for few or equal values."""
    if len(values) < LEAST_SEEDS or min(values) == max(values):
        return Figure(fmean(values))
    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))
    mean = fmean(values)
    return Figure(mean, mean - half, mean + half)


def points(fraction: float, digits: int = 1) -> str:
    """A difference of two accuracies in percentage points, with its sign."""
    shown = round(100 * fraction, digits)
    return f"{MINUS if shown < 0 else '+'}{abs(shown):.{digits}f}"


def counted(images: int) -> str:
    """`1 test image`, `2,000 test images`."""
    return f"{images:,} test image{'s' * (images != 1)}"


def minus(number: str) -> str:
    """A formatted number as it is displayed: `-0.19` -> `−0.19`; zero has no sign, `-0.00` -> `0.00`."""
    if not number.startswith("-"):
        return number
    return (MINUS if re.search("[1-9]", number) or number == "-inf" else "") + number[1:]


def ends(figure: Figure) -> str:
    """`+0.4 to +3.8`: an interval in percentage points, with as many digits as it takes to see on which side of 0 it ends."""
    shown = digits(figure)
    return f"{points(figure.low, shown)} to {points(figure.high, shown)}"


def middle(figure: Figure) -> str:
    """`+2.1`: the mean in percentage points, with as many digits as its `ends`."""
    return points(figure.mean, digits(figure))


def digits(figure: Figure, scale: float = 100, least: int = 1) -> int:
    """With how many digits mean and interval are written, `scale` times, so that neither end looks like 0; `least` without an interval."""
    if not figure.bounded:
        return least
    return max(least, *(_digits_of(scale * end, least) for end in (figure.low, figure.high)))


def size(fraction: float, least: int = 1) -> str:
    """`0.5`: the size of a difference in percentage points, with as many digits as it takes not to look like 0."""
    return points(abs(fraction), _digits_of(100 * fraction, least))[1:]


def _digits_of(number: float, least: int) -> int:
    shown = least
    while shown < MOST_DIGITS and number and not round(number, shown):
        shown += 1
    return shown
