"""Common pitfalls, each a recipe in assets/recipes/failures: the mistake, the expected result, and whether it occurred.

Each changes one thing in the same small run, which with a good teacher, correct labels and temperature 4 ends far above its
twin. The random teacher's run has all labels, so that there is accuracy to lose.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kdcore.results.comparison import Kind, Outcome, Results, sentence, summarise


@dataclass(frozen=True)
class Claim:
    """An expected result in words, with the numbers, and whether it holds."""

    words: str
    holds: bool


@dataclass(frozen=True)
class Failure:
    """recipe: its name in assets/recipes. wrong: the mistake. expects: the result to expect."""

    recipe: str
    title: str
    wrong: str
    expects: str
    remedy: str
    claims: Callable[[Results], list[Claim]]

    def happened(self, results: Results) -> bool:
        return all(claim.holds for claim in self.claims(results))


def named(recipe: str) -> Failure | None:
    """The pitfall of this recipe."""
    return next((failure for failure in FAILURES if failure.recipe == recipe), None)


CHANCE = 0.1  # ten classes
GUESSES = 0.15  # below this accuracy a network guesses
KNOWN, USUAL = 0.996, 0.767  # teacher and student of this run when nothing is wrong: docs/results.md, Common pitfalls
FAR_BELOW = 0.5


def _random_teacher(results: Results) -> list[Claim]:
    return [_guesses("teacher", results), _verdict("worse", results)]


def _wrong_normalisation(results: Results) -> list[Claim]:
    top1 = results["teacher"]["top1"]
    lost = Claim(
        f"The teacher's accuracy is {100 * top1:.1f} %; with the correct normalisation it is {100 * KNOWN:.1f} %.",
        top1 < FAR_BELOW,
    )
    return [lost, _far_below(results)]


def _shuffled_labels(results: Results) -> list[Claim]:
    return [_guesses("twin", results), _verdict("better", results)]


def _temperature(results: Results) -> list[Claim]:
    return [_far_below(results)]


def _guesses(network: str, results: Results) -> Claim:
    top1 = results[network]["top1"]
    return Claim(f"The {network}'s accuracy is {100 * top1:.1f} %; chance is {100 * CHANCE:.0f} %.", top1 < GUESSES)


def _verdict(kind: Kind, results: Results) -> Claim:
    summary = summarise([Outcome(results)])
    return Claim(f"Student: {sentence(summary)}", summary.kind == kind)


def _far_below(results: Results) -> Claim:
    top1 = results["student"]["top1"]
    return Claim(
        f"The student's accuracy is {100 * top1:.1f} %; without the mistake it is about {100 * USUAL:.0f} % (one run).",
        top1 < FAR_BELOW,
    )


FAILURES = (
    Failure(
        "failures/random-teacher",
        "A random teacher",
        "The teacher's weights are random. All training images are labelled.",
        "The teacher is at chance, and distilling from it hurts: the student ends below its twin, which has labels only.",
        "Measure the teacher's accuracy first. The teacher check stops such a run.",
        _random_teacher,
    ),
    Failure(
        "failures/wrong-normalisation",
        "Wrong normalisation",
        "The teacher's input is not normalised with the mean and standard deviation of its training.",
        "A nearly perfect teacher becomes inaccurate, and the student learns its errors.",
        "Each network normalises with the statistics of its weights: leave `mean` and `std` out of the recipe.",
        _wrong_normalisation,
    ),
    Failure(
        "failures/shuffled-labels",
        "Shuffled labels",
        "Nine of ten training labels are wrong, so they carry almost no information.",
        "The twin, which has labels only, stays at chance. The student still learns, from the teacher alone.",
        "Look at images with their labels before training. A loss curve does not reveal wrong labels.",
        _shuffled_labels,
    ),
    Failure(
        "failures/temperature-too-high",
        "Temperature far too high",
        "Temperature 100 in a loss without the factor temperature², as in code that omits it.",
        "Soft labels are nearly uniform, about 10 % for each class, and the gradient of the term is 10,000 times smaller: the "
        "student falls back towards its twin.",
        "Temperatures of 2 to 8 are usual. With the factor, as in `kd`, the gradient keeps its size at any temperature.",
        _temperature,
    ),
)
