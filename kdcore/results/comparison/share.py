"""The interval of a share, such as an accuracy: Wilson's score interval; and of the difference of two shares."""

import math

from scipy.special import ndtri


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    low, high = score_interval(correct / count, count, float(ndtri(0.975)))
    return 0.0 if not correct else low, 1.0 if correct == count else high


def score_interval(share: float, count: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a share of `count` images, `z` standard errors wide on each side."""
    middle, half = share + z * z / 2 / count, z * math.sqrt(max(0.0, share * (1 - share) + z * z / 4 / count) / count)
    scale = 1 + z * z / count
    return (middle - half) / scale, (middle + half) / scale


def least_gap(first: tuple[float, float], second: tuple[float, float], z: float) -> float:
    """The lower end of the interval of first - second, two shares of different images, each with its count (Newcombe, Statistics in
    Medicine 17, 1998, method 10): with few images it holds where the standard error at the shares themselves is too small, as at 1."""
    (one, count), (other, other_count) = first, second
    low, high = score_interval(one, count, z)[0], score_interval(other, other_count, z)[1]
    return one - other - math.hypot(one - low, high - other)
