"""Intervals that decide which tests a map passes, corrected for the number of all maps and tests of a network."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from kdcore.explain.quality.agreement import Interval, with_interval
from kdcore.results.comparison import holm

Test = tuple[str, str]  # a map, and what it is tested for


def intervals(differences: Mapping[Test, Sequence[np.ndarray]]) -> dict[Test, tuple[Interval, ...]]:
    """The mean of each difference over images with its interval, at the level that Holm's procedure gives its test.

    A test is passed where every interval of its differences is above 0: then its one-sided p-value, the largest of the
    differences, is below half of the level.

    Args:
        differences: of each test, one or more arrays of values by image [n]; NaN where there is no map.
    """
    ps = [max(map(_p_value, each)) for each in differences.values()]
    levels = holm.levels(
        [None if np.isnan(p) else p for p in ps], lambda place, level: ps[place] < level, len(differences)
    )
    return {
        test: tuple(with_interval(each, level) for each in values)
        for (test, values), level in zip(differences.items(), levels, strict=True)
    }


def _p_value(values: np.ndarray) -> float:
    """Twice the probability of a mean as large where the true one is 0, at most 1, by Student's t; NaN where it has none."""
    known = values[np.isfinite(values)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if spread == 0:
        return float("nan")
    return min(1.0, 2 * float(stdtr(len(known) - 1, -float(known.mean()) / spread * len(known) ** 0.5)))
