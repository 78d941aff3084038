"""Failures made on purpose: what each should show, and whether a run's numbers show it. Plain data; one recipe each in
assets/recipes/failures.

Each spoils one thing in the same small run, which with a good teacher, right labels and temperature 4 leaves its twin far
behind; the random teacher's run has every label, so that there is something to lose.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kdcore.results.comparison import Kind, Results, sentence, summarise


@dataclass(frozen=True)
class Claim:
    """Something that the numbers should show, in words with the numbers, and whether they do."""

    words: str
    holds: bool


@dataclass(frozen=True)
class Failure:
    """recipe: its name in assets/recipes. wrong: what is done wrongly. expects: what that should show."""

    recipe: str
    title: str
    wrong: str
    expects: str
    remedy: str
    claims: Callable[[Results], list[Claim]]

    def happened(self, results: Results) -> bool:
        return all(claim.holds for claim in self.claims(results))


def named(recipe: str) -> Failure | None:
    """The failure that a recipe of this name shows."""
    return next((failure for failure in FAILURES if failure.recipe == recipe), None)


CHANCE = 0.1  # ten classes
KNOWN = 0.9975  # the bundled teacher on the test split, as its card says
USUAL = 0.79  # what the student of this run gets when nothing is wrong, measured; see docs/results.md
FAR_BELOW = 0.5


def _random_teacher(results: Results) -> list[Claim]:
    return [_guesses("teacher", results), _verdict("harms", results)]


def _wrong_normalisation(results: Results) -> list[Claim]:
    top1 = results["teacher"]["top1"]
    lost = Claim(
        f"The teacher, {100 * KNOWN:.1f} % right when it is asked properly, gets {100 * top1:.1f} %.", top1 < FAR_BELOW
    )
    return [lost, _far_below(results)]


def _shuffled_labels(results: Results) -> list[Claim]:
    return [_guesses("twin", results), _verdict("helps", results)]


def _temperature(results: Results) -> list[Claim]:
    return [_far_below(results)]


def _guesses(network: str, results: Results) -> Claim:
    top1 = results[network]["top1"]
    return Claim(
        f"The {network} gets {100 * top1:.1f} % right; guessing gets {100 * CHANCE:.0f} %.", top1 < 1.5 * CHANCE
    )


def _verdict(kind: Kind, results: Results) -> Claim:
    summary = summarise([results])
    return Claim(f"The student: {sentence(summary)}", summary.kind == kind)


def _far_below(results: Results) -> Claim:
    top1 = results["student"]["top1"]
    return Claim(
        f"The student gets {100 * top1:.1f} % right; with nothing wrong it gets about {100 * USUAL:.0f} %.",
        top1 < FAR_BELOW,
    )


FAILURES = (
    Failure(
        "failures/random-teacher",
        "A random teacher",
        "The teacher's weights are random: it has learned nothing. Every label is there.",
        "The teacher guesses, and following it costs the student: its twin, with the labels alone, does better.",
        "Ask for the teacher's own accuracy before anything else; the teacher check stops such a run.",
        _random_teacher,
    ),
    Failure(
        "failures/wrong-normalisation",
        "Wrong normalisation",
        "The teacher gets its images as they are, without the mean and deviation that its weights were trained with.",
        "A teacher that knows nearly every image now hardly knows one, and its student learns the mistakes.",
        "Each network normalises by the statistics that its weights came with; leave `mean` and `std` out.",
        _wrong_normalisation,
    ),
    Failure(
        "failures/shuffled-labels",
        "Shuffled labels",
        "Nine of ten training labels are wrong, so that they say nothing about their images.",
        "The twin, which has only labels, is left guessing. The student still learns, from the teacher alone.",
        "Look at images with their labels before training; a teacher can outweigh bad labels, a loss curve cannot show them.",
        _shuffled_labels,
    ),
    Failure(
        "failures/temperature-too-high",
        "Temperature far too high",
        "Temperature 100, in a loss without the temperature's square, as in code that leaves it out.",
        "Each of the ten classes gets about 10 % of every soft label, and the teacher's pull is 10,000 times weaker: the "
        "student falls back towards its twin.",
        "Temperatures of 2 to 8 are usual. With its square, as `kd` has it, the loss keeps its pull at any temperature.",
        _temperature,
    ),
)
