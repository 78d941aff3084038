"""Converts a term's weight to the conventions of other implementations: the same gradient in their terms.

In this project a divergence of class probabilities is summed over the classes, averaged over the batch and multiplied
by the square of its temperature; every term has a weight of its own. Elsewhere the square is left out, the average goes over
classes too (PyTorch's `reduction="mean"`, DeiT's distillation loss), or one alpha shares between labels and teacher,
and stands now on the one, now on the other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kdcore.recipe import Term, schedules
from kdcore.recipe.terms import SUPERVISED


@dataclass(frozen=True)
class Translation:
    """A term's weight under another convention.

    weight: in the run's first epoch in which the term counts.
    """

    term: str
    convention: str
    weight: float


def translations(terms: Sequence[Term], classes: int, epochs: int, *, summed: Collection[str]) -> list[Translation]:
    """The weights of a recipe's terms under other conventions.

    Args:
        summed: the methods whose loss is summed over the classes and multiplied by the squared temperature; the weights of
            others are left out.
    """
    found = []
    for term in terms:
        if term.method not in summed:
            continue
        weight, temperature = at_first(term, epochs)
        found += [
            Translation(term.label, "without the square of the temperature", without_square(weight, temperature)),
            Translation(term.label, "averaged over the classes too", averaged_over_classes(weight, classes)),
            Translation(
                term.label,
                "both: no square, averaged over the classes",
                averaged_over_classes(without_square(weight, temperature), classes),
            ),
        ]
    labels = [at_first(term, epochs)[0] for term in terms if term.method == SUPERVISED]
    taught = [at_first(term, epochs)[0] for term in terms if term.method in summed]
    if len(labels) == len(taught) == 1 and labels[0] + taught[0] > 0:
        name = next(term.label for term in terms if term.method in summed)
        alpha, factor = one_alpha(labels[0], taught[0])
        found += [
            Translation(name, "alpha on the teacher's term", alpha),
            Translation(name, "alpha on cross-entropy", 1 - alpha),
            Translation(name, "learning rate times this, with either alpha", factor),
        ]
    return found


def without_square(weight: float, temperature: float) -> float:
    """The weight of a loss that is not multiplied by temperature^2.

    Equal to this project's weight at this one temperature: under a schedule the square changes with it.
    """
    return weight * temperature**2


def averaged_over_classes(weight: float, classes: int) -> float:
    """The weight of a loss whose mean goes over batch and classes, where this project sums over the classes."""
    return weight * classes


def one_alpha(labels: float, teacher: float) -> tuple[float, float]:
    """Two weights as alpha (teacher) and 1 - alpha (labels), and the remaining factor: their sum, which plain SGD can
    absorb in its learning rate, and to which Adam is invariant."""
    return teacher / (labels + teacher), labels + teacher


def at_first(term: Term, epochs: int) -> tuple[float, float]:
    """A term's weight and temperature at the beginning of the first epoch in which it counts."""
    progress = (term.from_epoch - 1) / epochs
    return schedules.parse(term.weight, epochs)(progress), schedules.parse(term.temperature, epochs)(progress)
