"""False claims, by simulation: of a difference in measures that rest on few images, and of faults that a run does not have.

    python -m benchmarks.false_claims [--repeats 1.0] [--write]

Two networks with the same true value of a measure are simulated; each repetition goes through `results.bias` as a run does, and
once more without what `results.bias` does against few images. `false_faults` has the runs without a fault. `--write` writes the
tables into docs/reliability.md. One thread.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks import false_faults, simulation
from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.difference import compared, values
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import calibration, error_consistency, shape_bias

REPEATS, CLASSES = 400, 10
Draw = Callable[[np.random.Generator], tuple[Observation, Observation]]


def calibrated(images: int) -> Draw:
    """Two perfectly calibrated networks, an unsure and a sure one."""

    def draw(random: np.random.Generator) -> tuple[Observation, Observation]:
        def network(low: float, high: float) -> Observation:
            confidence = random.uniform(low, high, images)
            return Observation(outcome(random.random(images) < confidence, confidence))

        return network(0.3, 0.95), network(0.97, 0.999)

    return draw


def with_teacher(images: int, errors: float) -> Draw:
    """Two networks, 10 and 30 % of whose images are wrong, whatever the teacher's are."""

    def draw(random: np.random.Generator) -> tuple[Observation, Observation]:
        teacher = outcome(random.random(images) >= errors)
        one, other = (Observation(outcome(random.random(images) >= wrong), teacher=teacher) for wrong in (0.1, 0.3))
        return one, other

    return draw


def deciding(images: int, share: float) -> Draw:
    """Two networks that decide a share of the images, half of them for shape."""

    def draw(random: np.random.Generator) -> tuple[Observation, Observation]:
        def network() -> Observation:
            predicted = np.where(random.random(images) < share, random.integers(0, 2, images), 2)
            logits = 9 * np.eye(3)[predicted]
            return Observation(Outcome(np.zeros(images, int), logits, np.ones(images, int)))

        return network(), network()

    return draw


def outcome(right: np.ndarray, confidence: np.ndarray | float = 0.9) -> Outcome:
    """A network of ten classes by where it is right; all images are of class 0."""
    shares = np.repeat(((1 - confidence) / (CLASSES - 1) * np.ones(len(right)))[:, None], CLASSES, axis=1)
    shares[np.arange(len(right)), np.where(right, 0, 1)] = confidence
    return Outcome(np.zeros(len(right), int), np.log(shares))


SETTINGS: tuple[tuple[Measure, str, Draw], ...] = (
    (calibration, "sure and unsure, 200 images", calibrated(200)),
    (calibration, "sure and unsure, 1,000 images", calibrated(1000)),
    (error_consistency, "1,000 images, 10 errors of the teacher", with_teacher(1000, 0.01)),
    (error_consistency, "4,000 images, 10 errors of the teacher", with_teacher(4000, 0.0025)),
    (error_consistency, "1,000 images, 200 errors of the teacher", with_teacher(1000, 0.2)),
    (shape_bias, "1,000 images, 10 decided", deciding(1000, 0.01)),
    (shape_bias, "1,000 images, 100 decided", deciding(1000, 0.1)),
)


def false_claims(measure: Measure, draw: Draw, repeats: int) -> tuple[float, float, float]:
    """Shares of the repetitions: a claim without what is done against few images; a claim; no conclusion."""
    bare = replace(measure, few=lambda seen: "", upward=lambda columns: 0.0)
    before = after = refused = 0
    for repeat in range(repeats):
        pair = draw(np.random.default_rng(repeat))
        one, other = (
            compared(values(each, [pair[0]]), values(each, [pair[1]]), share=False).at(0.05) for each in (bare, measure)
        )
        before += bool(one.sign)
        after += bool(other.sign)
        refused += bool(other.why)
    return before / repeats, after / repeats, refused / repeats


def table(scale: float) -> Iterator[str]:
    yield "| Measure | Two networks that do not differ | Claims without these checks, % | Claims, % | No conclusion, % |"
    yield "|---|---|---|---|---|"
    for measure, words, draw in SETTINGS:
        shares = false_claims(measure, draw, max(20, round(scale * REPEATS)))
        yield f"| {measure.title} | {words} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |"


if __name__ == "__main__":
    simulation.main("false_claims", __doc__, table, faults=false_faults.table)
