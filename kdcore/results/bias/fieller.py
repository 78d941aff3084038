"""Fieller's interval (1954) of t = (student - twin) / (teacher - twin), from moments that are computed once, at any level.

It holds the t at which change - t gap = student - (1 - t) twin - t teacher does not differ from 0, with the crossed variance of
seeds and images. docs/reliability.md has its coverage, and that of a bootstrap over seeds and images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from kdcore.results.bias.difference import Values
from kdcore.results.comparison.crossed import Crossed, of_mean_squares
from kdcore.results.comparison.holm import ALPHA

FARTHEST = 1e4  # t beyond which an interval counts as endless
NOTHING = 1e-12  # a mean that is rounding


@dataclass(frozen=True)
class Way:
    """What the interval needs of change = student - twin and gap = teacher - twin.

    shape: (S, n). means: [2], of change and gap. of_seeds, of_images, rest: [2, 2], their mean squares and products; of one seed
        `of_images` alone, the covariance over images.
    upward: how far the means of student, twin and teacher may be too high.
    """

    shape: tuple[int, int]
    means: np.ndarray
    of_seeds: np.ndarray
    of_images: np.ndarray
    rest: np.ndarray
    upward: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def share(self) -> float:
        """t."""
        return float(self.means[0] / self.means[1])

    def at(self, t: float) -> Crossed:
        """change - t gap."""
        by = np.array([1.0, -t])
        of_seeds, of_images, rest = (
            max(0.0, float(by @ each @ by)) for each in (self.of_seeds, self.of_images, self.rest)
        )
        mean = float(by @ self.means)
        if self.shape[0] == 1:
            return Crossed(mean, of_images / self.shape[1], 0.0, None, math.inf)
        return of_mean_squares(mean, of_seeds, of_images, rest, self.shape)

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Infinite ends where it is endless."""

        def excess(t: float) -> float:
            """How far a supposed t is beyond what the data allow, in standard errors; at most 0 within the interval."""
            found = self.at(t)
            spread, distance = math.sqrt(max(found.variance, 0.0)), abs(found.mean) - self._shift(t, found.mean)
            if not spread:
                return -1.0 if distance < NOTHING else 1.0
            return distance / spread - found.critical(alpha / 2)

        return _end(excess, self.share, -1), _end(excess, self.share, 1)

    def _shift(self, t: float, mean: float) -> float:
        """How far student - (1 - t) twin - t teacher may be too far from 0 because the networks' means are too high."""
        parts = zip((1.0, t - 1.0, -t), self.upward, strict=True)
        return sum(max(0.0, math.copysign(weight, mean * weight)) * upward for weight, upward in parts)


def way(student: Values, twin: Values, teacher: Values) -> Way:
    """The moments of values [S, n]."""
    change, gap = (each.each.astype(np.float64) - twin.each for each in (student, teacher))
    seeds, images = change.shape
    both = np.stack([change, gap])
    upward = student.upward, twin.upward, teacher.upward
    means, nothing = both.mean(axis=(1, 2)), np.zeros((2, 2))
    if seeds == 1:
        return Way((1, images), means, nothing, np.cov(both[:, 0]), nothing, upward)
    of_seeds = images * np.cov(both.mean(axis=2))
    of_images = seeds * np.cov(both.mean(axis=1))
    centred = (both - means[:, None, None]).reshape(2, -1)
    left = centred @ centred.T - (seeds - 1) * of_seeds - (images - 1) * of_images
    return Way((seeds, images), means, of_seeds, of_images, left / ((seeds - 1) * (images - 1)), upward)


def fieller(student: np.ndarray, twin: np.ndarray, teacher: np.ndarray, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval from values [S, n] whose means are the measure."""
    return way(Values(student), Values(twin), Values(teacher)).interval(alpha)


def _end(excess: Callable[[float], float], middle: float, direction: int) -> float:
    """Where `excess` passes 0, from `middle` in a direction; infinite where it does not."""
    inside, step = middle, 0.05
    while step < FARTHEST:
        outside = middle + direction * step
        if excess(outside) > 0:
            return float(brentq(excess, inside, outside, xtol=1e-6)) if excess(inside) < 0 else inside
        inside, step = outside, 2 * step
    return direction * math.inf
