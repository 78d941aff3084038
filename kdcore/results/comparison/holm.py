"""Holm's procedure: the level of each of several tests, so that a false claim among all has a probability of at most 5 %."""

from collections.abc import Callable, Sequence

ALPHA = 0.05


def levels(ps: Sequence[float | None], claims: Callable[[int, float], bool], planned: int = 0) -> list[float]:
    """The level of each test: 0.05 / k for the smallest p-value, 0.05 / (k - 1) for the next and so on up to the first without a
    claim; all later ones have its level, and so have tests that were not made.

    Args:
        ps: the p-value of each test; None where it is refused.
        claims: whether the test at a place claims something at a level.
        planned: how many tests there will be, where some cannot be made yet.
    """
    count = max(planned, len(ps))
    found, left = [ALPHA / max(count, 1)] * len(ps), count
    for _, place in sorted((p, place) for place, p in enumerate(ps) if p is not None):
        found[place] = ALPHA / left
        if left > 1 and claims(place, ALPHA / left):
            left -= 1
    return found
