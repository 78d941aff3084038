"""The mean difference over several seeds that share their test images: an interval with the luck of both.

Every seed is measured on the same images, so the differences [S, n] are crossed: seed, image, and what is left of both
(two-way random effects). Their mean squares give the variance of the mean,

    (MS_seed + MS_image - MS_rest) / (S n),

of which the part of the images is well known and that of the seeds is known with S - 1 degrees of freedom only. The interval
weights the normal and Student's critical value by these parts (Cochran & Cox, Experimental Designs, 1957, section 4.14).
Where MS_seed is small, the seeds count as alike and the normal value is used; how small depends on the interval's level, as
the few times that an effect of the seed is missed matter more among rare errors. docs/reliability.md has the coverage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, ndtri, stdtrit

POWER = 0.8
LEAST_LOG_TAIL = -600.0  # smaller p-values are 0
NO_SEED_EFFECT = 0.6  # seeds count as alike up to this quantile of MS_seed / MS_rest without an effect of the seed ...
USUAL_TAIL = 0.025  # ... in a 95 % interval,
FALL = 1.5  # and in wider ones up to 0.6 (tail / 0.025)^(1.5 / degrees of freedom): `benchmarks.coverage` has the calibration


@dataclass(frozen=True)
class Crossed:
    """mean: over seeds and images.

    images: the variance of the mean because other test images would have been drawn.
    seeds: its variance because of what differs from seed to seed.
    free: degrees of freedom of `seeds`; None where that part is 0 or known well.
    limit: the largest size that the mean can have, 1 for differences of shares.
    quantile: how large the mean square of the seeds is, as a quantile of its distribution without an effect of the seed.
    """

    mean: float
    images: float
    seeds: float
    free: int | None
    limit: float = 1.0
    quantile: float = 1.0

    @property
    def variance(self) -> float:
        return self.images + self.seeds

    @property
    def p(self) -> float:
        """The level at which the interval touches 0."""
        if not self.variance:
            return float(self.mean == 0)
        ratio = abs(self.mean) / self.variance**0.5
        if ratio > self.critical(math.exp(LEAST_LOG_TAIL)):
            return 0.0
        tail = brentq(lambda log_tail: self.critical(math.exp(log_tail)) - ratio, LEAST_LOG_TAIL, math.log(0.5))
        return 2 * math.exp(tail)

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        half = self.critical(alpha / 2) * self.variance**0.5
        return max(-self.limit, self.mean - half), min(self.limit, self.mean + half)

    def detectable(self, alpha: float = 0.05) -> float:
        """The true difference that such a comparison finds with a probability of 80 %."""
        return (self.critical(alpha / 2) + self.critical(1 - POWER)) * self.variance**0.5

    def critical(self, tail: float) -> float:
        """The standardised distance that is passed with the probability `tail`."""
        normal = -float(ndtri(tail))
        if self.free is None or not self.variance or self.quantile <= _alike(tail, self.free):
            return normal
        return (self.images * normal + self.seeds * -float(stdtrit(self.free, tail))) / self.variance


def of_images(values: np.ndarray) -> Crossed:
    """From the values of every image: [S, n], S and n at least 2; a seed a row, an image a column."""
    seeds, images = values.shape
    free = seeds - 1
    values = values.astype(np.float64)
    mean, rows, columns = values.mean(), values.mean(axis=1), values.mean(axis=0)
    of_seeds = images * rows.var(ddof=1)
    of_columns = seeds * columns.var(ddof=1)
    total = float(np.vdot(values, values)) - values.size * mean**2
    left = max(0.0, total - free * of_seeds - (images - 1) * of_columns)
    rest = float(left) / (free * (images - 1))
    return of_mean_squares(float(mean), float(of_seeds), float(of_columns), rest, values.shape)


def of_mean_squares(mean: float, of_seeds: float, of_images: float, rest: float, shape: tuple[int, ...]) -> Crossed:
    """From the mean squares of seeds, of images, and of what is left of both; `shape` is that of the values, (S, n)."""
    free, size = shape[0] - 1, shape[0] * shape[1]
    return Crossed(
        mean=mean,
        images=(of_images - rest) / size,
        seeds=max(of_seeds, rest) / size,
        free=free,
        quantile=1 - float(chdtrc(free, free * of_seeds / rest)) if rest else float(of_seeds > 0),
    )


def _alike(tail: float, free: int) -> float:
    """The quantile up to which seeds count as alike in an interval with the probability `tail` on each side."""
    return float(NO_SEED_EFFECT * min(1.0, tail / USUAL_TAIL) ** (FALL / free))


def of_means(means: Sequence[float], image_variances: Sequence[float], count: int) -> Crossed:
    """From each seed's mean and the variance of its images' values, where those of single images were not stored.

    It cannot be known how much of the variance the seeds share, so all of it is counted for the images, and all of the
    variance between seeds in addition: the interval is too wide rather than too narrow.
    """
    return Crossed(
        mean=float(np.mean(means)),
        images=float(np.mean(image_variances)) / count,
        seeds=float(np.var(means, ddof=1)) / len(means),
        free=len(means) - 1,
    )
