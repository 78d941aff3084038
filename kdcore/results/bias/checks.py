"""Checks whether a measure has a value: the reason why not, as the end of a sentence; empty where it has one."""

import numpy as np

from kdcore.results.bias import contributions
from kdcore.results.bias.outcome import Observation
from kdcore.results.comparison.conclusion import LEAST_IMAGES
from kdcore.results.comparison.share import wilson

LEAST_EXPECTED = (
    5  # images in each cell of a two-way table, below which the normal distribution does not hold (Cochran, 1954)
)


def least_clean_accuracy(classes: int) -> float:
    """The clean accuracy that a network must clearly exceed for its accuracy beyond chance to be compared: 2 / K, of two
    classes half way from chance to 1."""
    return min(2 / classes, (1 + 1 / classes) / 2)


def too_near_chance(seen: Observation) -> str:
    assert seen.clean is not None
    least, correct = least_clean_accuracy(seen.outcome.classes), int(seen.clean.right.sum())
    if wilson(correct, seen.clean.count)[0] > least:
        return ""
    return (
        f"its accuracy on clean images, {100 * correct / seen.clean.count:.1f} %, is not clearly above {100 * least:.0f} % "
        f"(chance is {100 / seen.outcome.classes:.0f} %)"
    )


def no_decision(seen: Observation) -> str:
    if not contributions.conflicting(seen.outcome).any():
        return "no image has the shape of one class and the texture of another"
    return "" if contributions.shape_and_texture(seen).any() else "neither shape nor texture of any image is predicted"


def without_errors(seen: Observation) -> str:
    assert seen.teacher is not None
    shares = float(seen.outcome.right.mean()), float(seen.teacher.right.mean())
    return "both networks are right on every image, or wrong on every image" if shares in ((0, 0), (1, 1)) else ""


def few_decisions(seen: Observation) -> str:
    decided = int(contributions.shape_and_texture(seen).sum())
    return (
        ""
        if decided >= LEAST_IMAGES
        else f"shape or texture of only {decided} images is predicted ({LEAST_IMAGES} are needed)"
    )


def few_errors(seen: Observation) -> str:
    assert seen.teacher is not None
    return few_expected(seen.outcome.right, seen.teacher.right)


def few_expected(first: np.ndarray, second: np.ndarray) -> str:
    """Why too few images are in a cell of the table of who is right; first, second: [n] booleans, image by image."""
    if np.array_equal(first, second):  # such as the teacher and itself: kappa is 1, whatever the images
        return ""
    one, other = float(first.mean()), float(second.mean())
    cells = {
        "both would be right": one * other,
        "both would be wrong": (1 - one) * (1 - other),
        "one alone would be right": min(one * (1 - other), (1 - one) * other),
    }
    words = min(cells, key=lambda each: cells[each])
    expected = len(first) * cells[words]
    return (
        ""
        if expected >= LEAST_EXPECTED
        else f"by chance {words} on {expected:.1f} images ({LEAST_EXPECTED} are needed)"
    )
