"""How far two networks differ on a measure, over the images of one run or of several seeds: an interval, or why there is none.

The intervals are those of `results/comparison`: Tango's for shares of one run, the crossed one for several seeds. Measures that
are no means of images are linearised first; one that few images make too high has an interval that allows for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kdcore.results.bias.measure import Measure
from kdcore.results.bias.outcome import Observation
from kdcore.results.comparison.conclusion import LEAST_APART, LEAST_APART_OF_SEEDS, LEAST_IMAGES, Estimate
from kdcore.results.comparison.crossed import Crossed, of_images
from kdcore.results.comparison.figure import LEAST_SEEDS, Figure
from kdcore.results.comparison.holm import ALPHA
from kdcore.results.comparison.paired import Paired

ALIKE = 1e-9  # a difference below it is rounding, also that of linearised measures


@dataclass(frozen=True)
class Difference(Figure):
    """The first network's measure minus the second's; without an interval where `why` says the reason.

    alpha: the interval has the level 1 - alpha; less than 0.05 among several comparisons.
    """

    why: str = ""
    alpha: float = ALPHA

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves out 0, else 0."""
        return (self.low > 0) - (self.high < 0) if self.bounded else 0


@dataclass(frozen=True)
class Values:
    """A measure of a network, image by image.

    each: a value for each seed and image whose means are the measure's values, [S, n]; empty where `why` says why there are none.
    few: why the images do not allow a claim; empty where they do.
    upward: how far the mean may be too high because there are few images.
    """

    each: np.ndarray
    why: str = ""
    few: str = ""
    upward: float = 0.0

    @property
    def mean(self) -> float:
        return float(self.each.mean()) if self.each.size else math.nan


@dataclass(frozen=True)
class Shifted:
    """An estimate whose true value may be lower by `down` or higher by `up`, besides what its interval allows for."""

    estimate: Crossed
    down: float
    up: float

    @property
    def p(self) -> float:
        mean = self.estimate.mean
        return replace(self.estimate, mean=max(0.0, mean - self.down) if mean > 0 else min(0.0, mean + self.up)).p

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        low, high = self.estimate.interval(alpha)
        return low - self.down, high + self.up


@dataclass(frozen=True)
class Compared:
    """Two networks on a measure: an estimate whose interval can be had at any level, or the reason why there is none."""

    mean: float
    estimate: Estimate | Shifted | None = None
    why: str = ""

    @property
    def p(self) -> float | None:
        return self.estimate.p if self.estimate else None

    def at(self, alpha: float) -> Difference:
        if self.estimate is None:
            return Difference(self.mean, why=self.why, alpha=alpha)
        low, high = self.estimate.interval(alpha)
        return Difference(self.mean, low, high, alpha=alpha)


def values(measure: Measure, seeds: Sequence[Observation]) -> Values:
    """A measure of a network over its seeds."""
    for seen in seeds:
        if why := measure.why_not(seen):
            return Values(np.empty((0, 0)), why)
    few = next((why for seen in seeds if (why := measure.few(seen))), "")
    upward = float(np.mean([measure.upward(measure.contributions(seen)) for seen in seeds]))
    return Values(np.stack([measure.linear(seen) for seen in seeds]), few=few, upward=upward)


def compared(first: Values, second: Values, *, share: bool) -> Compared:
    """The difference of two networks from their values.

    Args:
        share: whether the values are 0 or 1.
    """
    gaps = first.each - second.each
    mean = float(gaps.mean())
    if why := _refusal(gaps) or first.few or second.few:
        return Compared(mean, why=why)
    found = estimate(gaps, share=share)
    low, high = found.interval()
    if not high > low:
        return Compared(mean, why="the interval has no width")
    if isinstance(found, Crossed) and (first.upward or second.upward):
        return Compared(mean, Shifted(found, first.upward, second.upward))
    return Compared(mean, found)


def counted(only_first: int, only_second: int, images: int) -> Compared:
    """The difference of two networks' accuracies, of one run, from how many images only one of them predicts rightly."""
    mean = (only_first - only_second) / images if images else math.nan
    why = _too_few(images, only_first + only_second, images, LEAST_APART)
    return Compared(mean, why=why) if why else Compared(mean, Paired(only_first, only_second, images))


def estimate(gaps: np.ndarray, *, share: bool = False) -> Estimate:
    """The mean of differences [S, n], and how it varies."""
    seeds, images = gaps.shape
    if seeds > 1:
        return replace(of_images(gaps), limit=1.0 if share else math.inf)
    if share:
        return Paired(int((gaps > 0.5).sum()), int((gaps < -0.5).sum()), images)
    return Crossed(float(gaps.mean()), float(gaps.var(ddof=1)) / images, 0.0, None, math.inf)


def _refusal(gaps: np.ndarray) -> str:
    seeds, images = gaps.shape
    if 1 < seeds < LEAST_SEEDS:
        return f"{seeds} seeds are too few ({LEAST_SEEDS} are needed)"
    apart = int((np.abs(gaps) > ALIKE).sum())
    return _too_few(images, apart, gaps.size, LEAST_APART if seeds == 1 else LEAST_APART_OF_SEEDS)


def _too_few(images: int, apart: int, of: int, least: int) -> str:
    if images < LEAST_IMAGES:
        return f"only {images} image{'s' if images > 1 else ''} ({LEAST_IMAGES} are needed)"
    if not apart:
        return "the networks are alike on every image"
    if apart < least:
        return f"the networks differ on {apart} of {of:,} predictions ({least} are needed)"
    return ""
