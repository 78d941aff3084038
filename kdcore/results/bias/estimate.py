"""A value with its 95 % interval, from contributions of single images: by a bootstrap over images, or by linearisation.

A measure here is a smooth function of means over images. Resampling the images then is a product of matrices, and for
procedures that need a value for each image, such as intervals over several seeds, the function is linearised at its means.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from kdcore.results.comparison.figure import Figure

Combine = Callable[[np.ndarray], np.ndarray]  # means over images [..., m] -> the measure's value [...]
RESAMPLES, SEED = 2000, 20
GROUPS = 1000  # of images that are resampled as one, where there are more images
STEP = 1e-5  # of a derivative, in means


@dataclass(frozen=True)
class Estimate(Figure):
    """A value with its 95 % interval; `mean` is the value, NaN where there is none and `why` says so.

    images: how many images it rests on.
    of: how many could have counted: for the shape bias, those with conflicting cues.
    """

    why: str = ""
    images: int = 0
    of: int = 0

    @property
    def defined(self) -> bool:
        return math.isfinite(self.mean)

    @property
    def coverage(self) -> float:
        """The share of images that it rests on, of those that could have counted."""
        return self.images / self.of if self.of else math.nan


def undefined(why: str, images: int = 0, of: int = 0) -> Estimate:
    """No value, and the reason."""
    return Estimate(math.nan, why=why, images=images, of=of)


def bootstrapped(columns: np.ndarray, combine: Combine) -> np.ndarray:
    """The measure on resampled images, [2000]; the same resamples for all measures and networks of as many images.

    More than 1,000 images are drawn in as many groups, at random: the variance is that of single images, at a tenth of the cost
    for 10,000.

    Args:
        columns: each image's contributions, [n, m].
    """
    totals = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    if len(columns) > GROUPS:
        order = np.random.default_rng(SEED).permutation(len(columns))
        starts = np.linspace(0, len(columns), GROUPS, endpoint=False).astype(np.int64)
        totals = np.add.reduceat(totals[order], starts, axis=0)
    drawn = _weights(len(totals)) @ totals
    with np.errstate(divide="ignore", invalid="ignore"):
        return combine(drawn[:, :-1] / drawn[:, -1:])


def by_bootstrap(columns: np.ndarray, combine: Combine) -> tuple[float, float]:
    """The 95 % interval of a measure: the percentiles of a bootstrap over images."""
    low, high = np.nanquantile(bootstrapped(columns, combine), (0.025, 0.975))
    return float(low), float(high)


def by_basic_bootstrap(columns: np.ndarray, combine: Combine) -> tuple[float, float]:
    """The same reflected at the value, for a measure that resampling shifts upward, such as a sum of absolute values."""
    value, (low, high) = float(combine(columns.mean(axis=0))), by_bootstrap(columns, combine)
    return 2 * value - high, 2 * value - low


def of_mean(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of a mean over images; the whole line for a single image."""
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    half = float(stdtrit(n - 1, 0.975)) * float(values.std(ddof=1)) / math.sqrt(n)
    return float(values.mean()) - half, float(values.mean()) + half


def linearised(columns: np.ndarray, combine: Combine) -> np.ndarray:
    """A number for each image whose mean is the measure, and whose variance over the images is that of the measure times n: [n].

    The measure to first order at the means (the infinitesimal jackknife; Efron, 1982).
    """
    means = columns.mean(axis=0)
    steps = STEP * np.eye(len(means))
    slopes = (combine(means + steps) - combine(means - steps)) / (2 * STEP)
    found: np.ndarray = float(combine(means)) + (columns - means) @ slopes
    return found


@lru_cache(maxsize=2)  # 16 MB each at most
def _weights(items: int) -> np.ndarray:
    """How often each item is drawn in each resample, [2000, items]."""
    random = np.random.default_rng((SEED, items))
    places = np.arange(RESAMPLES)[:, None] * items
    drawn = random.integers(0, items, (RESAMPLES, items)) + places
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * items).reshape(RESAMPLES, items).astype(np.float64)
