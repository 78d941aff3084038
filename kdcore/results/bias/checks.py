"""Reasons why a measure has no value, as the end of a sentence; empty where it has one."""

from kdcore.results.bias import contributions
from kdcore.results.bias.outcome import Observation
from kdcore.results.comparison.share import wilson


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
