"""Data of which hardly anything may be claimed: no sentence says better or worse, and none names an interval that is not there."""

import functools
import math
import re

import numpy as np
import pytest
from scipy import stats

from kdcore.results.comparison import Outcome, covers, covers_all, latex, sentence, summarise, summarise_all
from kdcore.results.comparison.outcome import ImagesTested

N = 400
TARGETS = np.arange(N) % 4


def run(student, twin, targets=TARGETS, seed: int = 0, **more) -> Outcome:
    """A finished run of these predicted classes, with the figures that it stores."""
    predictions = {"targets": targets, "student": student, "twin": twin}
    results = {name: figures(predictions[name] == targets) for name in ("student", "twin")}
    one, other = student == targets, twin == targets
    results["difference"] = {
        "top1": float(one.mean() - other.mean()), "only_student": int((one & ~other).sum()), "only_twin": int((other & ~one).sum()),
    }  # fmt: skip
    return Outcome(results, seed, predictions, **more)


def figures(right: np.ndarray) -> dict[str, float]:
    low, high = wilson(int(right.sum()), len(right))
    return {"top1": float(right.mean()), "low": low, "high": high, "count": len(right)}


@functools.cache
def wilson(right: int, count: int) -> tuple[float, float]:
    """scipy computes a p-value with it, which would be most of what thousands of runs take."""
    interval = stats.binomtest(right, count).proportion_ci(method="wilson")
    return interval.low, interval.high


def predicted(share: float, seed: int, targets=TARGETS) -> np.ndarray:
    """Predictions that are right on a share of the images."""
    random = np.random.default_rng(seed)
    return np.where(random.random(len(targets)) < share, targets, (targets + 1) % 4)


def pair(seed: int, **more) -> Outcome:
    """A student far better than its twin."""
    return run(predicted(0.9, seed), predicted(0.3, seed + 50), seed=seed, **more)


OTHER_IMAGES = [
    run(predicted(0.9, s, t), predicted(0.3, s + 50, t), t, seed=s)
    for s, t in enumerate((TARGETS, TARGETS[:200], TARGETS))
]
PIXELS = [pair(s, tested_on=ImagesTested("cues", 32, f"{s}")) for s in range(3)]
ONE_IMAGE = [run(np.array([0]), np.array([1]), np.array([0]), seed=s) for s in range(3)]
EQUAL = [run(predicted(0.9, 0), predicted(0.3, 1), seed=s) for s in range(3)]
IDENTICAL = [run(predicted(0.7, s), predicted(0.7, s), seed=s) for s in range(3)]
CONSTANT = [run(np.zeros(N, int), np.full(N, 1), seed=s) for s in range(3)]
RIGHT = [run(TARGETS, TARGETS, seed=s) for s in range(3)]
ALMOST = [run(TARGETS, np.where(np.arange(N) < s, TARGETS + 1, TARGETS), seed=s) for s in range(3)]

REFUSED = {
    "two seeds": ([pair(0), pair(1)], 2, "2 seeds are too few"),
    "a run that was stopped": ([pair(0), pair(1)], 3, "2 of 3 seeds are finished"),
    "seeds with the same results": (EQUAL, 3, "gave identical results"),
    "different numbers of test images": (OTHER_IMAGES, 3, "different test images"),
    "different pixels": (PIXELS, 3, "different test images"),
    "one image": (ONE_IMAGE[:1], 1, "only 1 test image (50 are needed)"),
    "one image, three seeds": (ONE_IMAGE, 3, "gave identical results"),
    "the same network twice": (IDENTICAL, 3, "both are right on the same"),
    "always one class": (CONSTANT, 3, ""),
    "everything right": (RIGHT, 3, ""),
    "hardly a difference": (ALMOST, 3, "only one of the two is right on 3 of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_claimed(name):
    runs, planned, why = REFUSED[name]
    summary = summarise(runs, planned)
    words = sentence(summary)
    assert summary.kind == "refused"
    assert why in words
    assert "no conclusion" in words
    assert not re.search("better|worse|no difference", words)
    assert "interval" not in words
    assert not summary.difference.bounded
    (row,) = [line for line in latex.table([("run", summary)]).splitlines() if line.startswith("run")]
    assert row.count("[") == sum(each["top1"].bounded for each in summary.networks.values())


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_interval_covers_is_said_where_there_is_one(name):
    summary = summarise(*REFUSED[name][:2])
    words = covers(summary)
    bounded = any(each["top1"].bounded for each in summary.networks.values())
    assert bounded == ("interval covers" in words)
    if not bounded:
        assert "without intervals" in words


@pytest.mark.parametrize("runs", [OTHER_IMAGES, PIXELS])
def test_accuracies_on_different_images_have_no_interval(runs):
    summary = summarise(runs)
    assert not summary.networks["student"]["top1"].bounded
    assert covers(summary) == "Mean of 3 seeds, without intervals: they have different test images."


def test_a_class_without_images_changes_nothing():
    targets = np.arange(N) % 3  # of four classes
    runs = [run(predicted(0.9, s, targets), predicted(0.3, s + 50, targets), targets, seed=s) for s in range(3)]
    summary = summarise(runs)
    assert summary.kind == "better"
    assert 0 < summary.difference.low < summary.difference.mean < summary.difference.high


def test_a_seed_whose_measure_is_not_finite_leaves_that_measure_out():
    runs = [pair(s) for s in range(3)]
    for place, each in enumerate(runs):
        each.results["student"]["nll"] = None if place == 1 else 0.5
    assert "nll" not in summarise(runs).networks["student"]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("images", [30, 60, 400])
def test_of_networks_that_do_not_differ_few_are_called_better_or_worse(seeds, images):
    """5 % is allowed; 400 repetitions have a standard error of 1.1."""
    targets, claims = TARGETS[:images], 0
    for repeat in range(400):
        runs = [
            run(
                predicted(0.7, 1000 * repeat + s, targets),
                predicted(0.7, 1000 * repeat + 500 + s, targets),
                targets,
                seed=s,
            )
            for s in range(seeds)
        ]
        summary = summarise(runs)
        claims += summary.kind in ("better", "worse")
        found = summary.difference
        if found.bounded:
            assert (found.kind == "open") == (found.low <= 0 <= found.high)
    assert claims / 400 <= (0 if images < 50 else 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400))


def test_many_variants_that_do_not_differ_share_one_rate_of_false_claims():
    wrong = 0
    for repeat in range(200):
        twin = predicted(0.7, 10_000 + repeat)
        groups = [[run(predicted(0.7, 100 * repeat + variant), twin)] for variant in range(6)]
        wrong += any(each.kind in ("better", "worse") for each in summarise_all(groups, [1] * 6))
    assert wrong / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_what_intervals_of_fewer_finished_seeds_cover_is_said_too():
    groups = [[pair(s) for s in range(3)], [pair(0)], [pair(0), pair(1)]]
    summaries = summarise_all(groups, [3, 3, 3])
    assert sentence(summaries[1]).endswith("no conclusion, 1 of 3 seeds is finished.")
    words = covers_all(summaries)
    assert words.startswith("Mean of 3 seeds: the interval covers initial weights")
    assert words.endswith(
        "Where one seed is finished, that of an accuracy covers the choice of the test images alone. Of two seeds there is none."
    )
    assert covers_all(summaries[:1]) == covers(summaries[0])


def test_the_figures_of_teachers_that_differ_by_seed_are_means_of_all_seeds():
    """Each is right on 60, 70 and 80 % of 400 images, so the seeds decide: 70 % with at least Student's width for two degrees of
    freedom and seeds alone, 4.303 * 10 / sqrt(3) = 24.8 points, less what Wilson's interval takes off near the ends."""
    runs = [pair(s) for s in range(3)]
    for each, right in zip(runs, (240, 280, 320), strict=True):
        each.predictions["teacher"] = np.where(np.arange(N) < right, TARGETS, TARGETS + 1)
        each.results["teacher"] = figures(each.predictions["teacher"] == TARGETS)
    summary = summarise(runs)
    top1 = summary.networks["teacher"]["top1"]
    assert top1.mean == pytest.approx(0.7)
    assert top1.low < 0.6 < 0.8 < top1.high
    assert top1.high - top1.low > 0.35
    (row,) = [line for line in latex.table([("run", summary)]).splitlines() if line.startswith("run")]
    assert " & 70.0 [" in row
