"""The interval of a share, such as an accuracy: Wilson's score interval."""

import math

from scipy.special import ndtri


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    z = float(ndtri(0.975))
    share = correct / count
    middle, half = share + z * z / 2 / count, z * math.sqrt((share * (1 - share) + z * z / 4 / count) / count)
    scale = 1 + z * z / count
    return 0.0 if not correct else (middle - half) / scale, 1.0 if correct == count else (middle + half) / scale
