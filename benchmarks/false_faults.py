"""Faults reported of runs that do not have them, by simulation; `false_claims` writes the table.

Each setting draws the figures of a sound run; a repetition goes through `results.diagnoses` as a run does, and through a simpler rule.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kdcore import recipe as recipes
from kdcore.results.diagnoses import Evidence, diagnose
from kdcore.results.metrics import wilson

RECIPE = recipes.from_plain({"teacher": {"weights": "cues-teacher"}, "student": {"model": "resnet20"}, "twin": True, "terms": [{"method": "kd"}]})  # fmt: skip
REPEATS = 2000
SURE = 3.0  # standard errors
Draw = Callable[[np.random.Generator], Evidence]


@dataclass(frozen=True)
class Setting:
    """A sound run. fault: what must not be reported. simpler: a rule that is easier to state."""

    fault: str
    words: str
    draw: Draw
    simpler: Callable[[Evidence], bool]


def run(random: np.random.Generator, targets: np.ndarray, classes: int, **accuracies: float) -> Evidence:
    """A run whose networks are right on each image with these probabilities, elsewhere another class drawn at random."""
    predictions = {
        name: np.where(
            random.random(len(targets)) < share,
            targets,
            (targets + random.integers(1, classes, len(targets))) % classes,
        )
        for name, share in accuracies.items()
    }
    results = {name: figures(predicted == targets) for name, predicted in predictions.items()}
    return Evidence(RECIPE, results, tuple(map(str, range(classes))), {"targets": targets, **predictions})


def figures(right: np.ndarray) -> dict[str, float]:
    low, high = wilson(int(right.sum()), len(right))
    return {"top1": float(right.mean()), "low": low, "high": high, "count": len(right), "ece": 0.05}


def validated(share: float, images: int, tested: int) -> Draw:
    """A student as accurate on validation images as on test images."""

    def draw(random: np.random.Generator) -> Evidence:
        right = float((random.random(images) < share).mean())
        found = run(random, np.arange(tested) % 10, 10, student=share)
        return replace(found, validation={"student": {"top1": right, "count": images}})

    return draw


def by_standard_error(found: Evidence) -> bool:
    one, other = found.validation["student"], found.results["student"]
    error = math.sqrt(sum(each["top1"] * (1 - each["top1"]) / each["count"] for each in (one, other)))
    return one["top1"] - other["top1"] >= max(0.05, SURE * error)


def tested(images: int, classes: int, **accuracies: float) -> Draw:
    return lambda random: run(random, np.arange(images) % classes, classes, **accuracies)


def uneven(images: int, rare: int, share: float) -> Draw:
    """Two classes, one with few images."""
    return lambda random: run(random, (np.arange(images) < rare).astype(int), 2, student=share)


def interval_reaches_chance(found: Evidence) -> bool:
    own = found.results["student"]
    return own["low"] <= 1 / len(found.classes) <= own["high"]


def one_class_predicted(found: Evidence) -> bool:
    assert found.predictions is not None
    counts = np.bincount(found.predictions["student"])
    return bool(counts.max() >= 0.99 * counts.sum()) and len(np.unique(found.predictions["targets"])) > 1


def lower(found: Evidence) -> bool:
    return found.results["teacher"]["top1"] < found.results["twin"]["top1"]


SETTINGS = (
    Setting("validation above test", "50 % right, 5 validation images, 1,000 test images", validated(0.5, 5, 1000), by_standard_error),
    Setting("validation above test", "90 % right, 20 validation images, 200 test images", validated(0.9, 20, 200), by_standard_error),
    Setting("validation above test", "90 % right, 200 validation images, 1,000 test images", validated(0.9, 200, 1000), by_standard_error),
    Setting("at chance", "two classes, 70 % right, 20 test images", tested(20, 2, student=0.7), interval_reaches_chance),
    Setting("at chance", "ten classes, 30 % right, 20 test images", tested(20, 10, student=0.3), interval_reaches_chance),
    Setting("one class", "two classes, 60 % right, 4 test images", tested(4, 2, student=0.6), one_class_predicted),
    Setting("one class", "99.8 % right, 4 of 1,000 test images of the rare class", uneven(1000, 4, 0.998), one_class_predicted),
    Setting("teacher weaker than the twin", "both 80 % right, 200 test images", tested(200, 10, teacher=0.8, twin=0.8, student=0.8), lower),
    Setting("below chance", "ten classes, 10 % right, 1,000 test images", tested(1000, 10, student=0.1), lambda found: found.results["student"]["top1"] < 0.1),
)  # fmt: skip


def table(scale: float) -> Iterator[str]:
    yield "| Fault | A run that does not have it | Reported by a simpler rule, % | Reported, % |"
    yield "|---|---|---|---|"
    for setting in SETTINGS:
        shares = reported(setting, max(50, round(scale * REPEATS)))
        yield f"| {setting.fault} | {setting.words} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |"


def reported(setting: Setting, repeats: int) -> tuple[float, float]:
    """Shares of the repetitions in which the fault is reported by the simpler rule, and by that of `results.diagnoses`."""
    simply = now = 0
    for repeat in range(repeats):
        found = setting.draw(np.random.default_rng(repeat))
        simply += setting.simpler(found)
        now += any(each.kind == setting.fault for each in diagnose(found))
    return simply / repeats, now / repeats
