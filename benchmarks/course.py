"""Measure what the exercises of docs/course.md state, on the bundled networks and the recorded run.

    python -m benchmarks.course [--write]

Each exercise has one line of figures. `--write` puts them into docs/course.md, below the questions; without it they are printed.
"""

import argparse
import re
from collections.abc import Callable
from functools import cache

import numpy as np

from kdcore import photos
from kdcore.inspection import Inspector, perturbations, robustness, soft_labels
from kdcore.paths import ASSETS, PROJECT, runs_folder
from kdcore.store import RunState, Store

COURSE = PROJECT / "docs" / "course.md"
MARKED = re.compile(r"(<!-- measured (\d+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
ROLES = ("teacher", "student", "twin")
NETWORKS = {role: f"cues-{role}" for role in ROLES}
IMAGES = 1000  # of each test set


@cache
def store() -> Store:
    return Store(runs_folder(), recorded=ASSETS / "runs")


@cache
def inspector() -> Inspector:
    return Inspector(store())


def recorded() -> RunState:
    return next(run for run in store().states() if run.recorded)


def predictions(sample: str, change: str = "") -> str:
    """What each network predicts for a sample: `teacher arrow 99.8 %, ...`."""
    path = ASSETS / "samples" / f"cues-{sample}.png"
    pixels = photos.read(path.read_bytes(), path.name, side=768).pixels
    pixels = perturbations.perturbed(pixels, change) if change else pixels
    found = {role: inspector().inspect(pixels, name).predictions[0] for role, name in NETWORKS.items()}
    return ", ".join(f"{role} {named} {100 * share:.0f} %" for role, (named, share) in found.items())


def each(sample: str, *changes: str) -> str:
    """The predictions of a sample as it is and after each change."""
    named = ["as it is", *(perturbations.in_words(change) for change in changes)]
    return "; ".join(
        f"{words}: {predictions(sample, change)}" for words, change in zip(named, ("", *changes), strict=True)
    )


def cut_apart() -> str:
    return f"Crescent, {perturbations.in_words('scramble4')}: {predictions('crescent', 'scramble4')}. Heart, the same: {predictions('heart', 'scramble4')}"


@cache
def outputs() -> soft_labels.NetworkOutputs:
    return soft_labels.run(NETWORKS, store())


def temperatures() -> str:
    """The mean entropy of the teacher's soft labels."""
    logits = outputs().logits["teacher"]
    even = np.log(logits.shape[1])
    found = {t: soft_labels.entropy(soft_labels.soft_labels(logits, t)).mean() for t in (1, 4, 20)}
    return f"Mean entropy of the teacher's soft labels, uniform would be {even:.2f} nats: " + ", ".join(
        f"{value:.2f} at temperature {t}" for t, value in found.items()
    )


def class_similarity() -> str:
    """Correlation of the class similarities at temperature 4."""
    known = {
        role: soft_labels.by_class(soft_labels.soft_labels(logits, 4), outputs().targets)
        for role, logits in outputs().logits.items()
    }
    found = {role: soft_labels.class_agreement(known["teacher"], known[role]) for role in ("student", "twin")}
    return "Correlation with the teacher's class similarity at temperature 4: " + ", ".join(
        f"{role} {value:.2f}" for role, value in found.items()
    )


def passed_on() -> str:
    *_, last = robustness.assess(list(NETWORKS.values()), ["clean", "silhouettes@1"], store(), images=IMAGES)
    assert last.result
    rows = [row for row in robustness.table(last.result, NETWORKS) if row.measure == "accuracy"]
    found = []
    for row in rows:
        values = ", ".join(f"{role} {100 * row.values[name][0]:.1f} %" for role, name in NETWORKS.items())
        found.append(f"{row.condition.split('@')[0]}: {values}")
    return f"Accuracy on {IMAGES:,} images of each set. " + "; ".join(found)


def result() -> str:
    run = recorded()
    found = run.results
    above = {role: first_above(run, role) for role in ("student", "twin")}
    accuracies = ", ".join(f"{role} {100 * found[role]['top1']:.1f} %" for role in ROLES)
    gap = found["difference"]
    return (
        f"On {found['student']['count']:,.0f} test images: {accuracies}; student - twin {100 * gap['top1']:+.1f} percentage points "
        f"({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}). Above 90 % of the validation images: student {above['student']}, "
        f"twin {above['twin']}. Only the student is right on {gap['only_first']:,} images, only the twin on {gap['only_second']:,}"
    )


def first_above(run: RunState, role: str, share: float = 0.9) -> str:
    """From which epoch on a network's accuracy on the validation images stays above a share."""
    steps, values = store().series(run.id)[f"top1/{role}"]
    below = np.flatnonzero(values <= share)
    first = int(below[-1]) + 1 if len(below) else 0
    return f"from epoch {steps[first] * run.epochs / run.steps:.1f} on" if first < len(steps) else "never"


def shares() -> str:
    """The share of each term in the gradient, at the first and the last logged step."""
    series = store().series(recorded().id)
    found = {name.partition("/")[2]: series[name][1] for name in series if name.startswith("share/")}
    return "Share of the gradient at the first and the last logged step: " + ", ".join(
        f"{term} {100 * values[0]:.1f} % and {100 * values[-1]:.1f} %" for term, values in found.items()
    )


MEASURES: tuple[Callable[[], str], ...] = (
    lambda: each("arrow"),
    lambda: each("star", "cover20"),
    lambda: each("star", "cover36"),
    cut_apart,
    lambda: each("arrow", "flip", "right4"),
    temperatures,
    class_similarity,
    passed_on,
    result,
    shares,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    found = {number: f"Measured. {measure()}." for number, measure in enumerate(MEASURES, 1)}
    for number, words in found.items():
        print(f"{number}. {words}")
    if write:
        text = COURSE.read_text(encoding="utf-8")
        COURSE.write_text(MARKED.sub(lambda place: place[1] + found[int(place[2])] + place[3], text), encoding="utf-8")


if __name__ == "__main__":
    main()
