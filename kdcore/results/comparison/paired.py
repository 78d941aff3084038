"""The difference of two networks on the same test images, from one run: Tango's score interval.

T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample design, Statistics
in Medicine 17 (1998). At a difference of 0 its test is McNemar's, so the interval leaves out 0 exactly where that test is
significant at the interval's level.
"""

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

POWER = 0.8
CERTAIN = 1e6  # standard deviations


@dataclass(frozen=True)
class Paired:
    """only_first, only_second: the images that only one of the two networks predicts rightly, of `count`."""

    only_first: int
    only_second: int
    count: int

    @property
    def mean(self) -> float:
        """Accuracy of the first network - that of the second."""
        return (self.only_first - self.only_second) / self.count

    @property
    def p(self) -> float:
        """The two-sided p-value of no difference."""
        apart = self.only_first + self.only_second
        return float(2 * ndtr(-abs(self.only_first - self.only_second) / math.sqrt(apart))) if apart else 1.0

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The differences that a two-sided score test at level `alpha` does not reject."""
        z = float(ndtri(1 - alpha / 2))
        low = brentq(lambda d: self.score(d) - z, -1, self.mean, xtol=1e-12) if self.mean > -1 else -1.0
        high = brentq(lambda d: self.score(d) + z, self.mean, 1, xtol=1e-12) if self.mean < 1 else 1.0
        return float(low), float(high)

    def detectable(self, alpha: float = 0.05) -> float:
        """The true difference that such a comparison finds with a probability of 80 %."""
        apart = max(1, self.only_first + self.only_second)
        return float(ndtri(1 - alpha / 2) + ndtri(POWER)) * math.sqrt(apart) / self.count

    def score(self, difference: float) -> float:
        """The standardised distance of the observed difference to a supposed one in [-1, 1]; it falls."""
        n, b, c = self.count, self.only_first, self.only_second
        linear = (2 * n - b + c) * difference - b - c
        root = math.sqrt(max(0.0, linear**2 + 8 * n * c * difference * (1 - difference)))
        second = (root - linear) / (4 * n)  # share of only_second under the supposed difference, by maximum likelihood
        variance = n * (2 * second + difference * (1 - difference))
        distance = b - c - n * difference
        if variance <= 1e-12:  # where the supposed difference leaves nothing to chance
            return math.copysign(CERTAIN, distance) if distance else 0.0
        return distance / math.sqrt(variance)
