from dataclasses import replace

import numpy as np
import pytest

from kdcore.results.comparison import (
    Compared,
    ImagesTested,
    Outcome,
    claim,
    conclude,
    conclude_all,
    sentence,
    summarise,
    with_student,
    with_twin,
)
from kdcore.results.comparison.conclusion import LEAST_APART


def run(student, twin, seed=0, **more):
    """A finished run from what each network gets right, [n] booleans."""
    student, twin = np.asarray(student, bool), np.asarray(twin, bool)
    targets = np.zeros(len(student), dtype=np.int16)
    figures = {
        name: {"top1": float(right.mean()), "count": len(right), "nll": 1 + 0.001 * seed + right.mean()}
        for name, right in (("student", student), ("twin", twin))
    }
    gap = {"top1": float(student.mean() - twin.mean()), "only_student": int((student & ~twin).sum()),
           "only_twin": int((twin & ~student).sum())}  # fmt: skip
    predictions = {"targets": targets, "student": 1 - student.astype(int), "twin": 1 - twin.astype(int)}
    return Outcome({**figures, "difference": gap}, seed=seed, **{"predictions": predictions, **more})


def table(b, c, n, seed=0, **more):
    """A run in which only the student is right on b images, only the twin on c; both are right on the others."""
    student, twin = np.ones(n), np.ones(n)
    places = np.random.default_rng(seed).permutation(n)
    student[places[:c]], twin[places[c : b + c]] = 0, 0
    return run(student, twin, seed, **more)


def said(*runs, planned=None):
    found = summarise(runs, planned).difference
    return claim(found, "the student", "its twin")


def test_a_claim_is_made_exactly_where_the_interval_leaves_out_zero():
    """Every table of 50 images: no sentence can say that there is no difference beside an interval that shows one."""
    for b in range(51):
        for c in range(51 - b):
            pair = with_twin(Outcome({
                "student": {"top1": b / 50, "count": 50}, "twin": {"top1": c / 50},
                "difference": {"top1": (b - c) / 50, "only_student": b, "only_twin": c},
            }))  # fmt: skip
            found = conclude(Compared((pair,)))
            assert (found.kind == "better") == (found.low > 0)
            assert (found.kind == "worse") == (found.high < 0)
            assert found.bounded == (b + c >= LEAST_APART)
            assert ("no conclusion" in claim(found, "a", "b")) == (not found.bounded)


@pytest.mark.parametrize(
    "b, c, n, words",
    [
        (60, 18, 2000, "+2.1 percentage points (95 % interval +1.3 to +3.0): the student is better than its twin."),
        (9, 31, 200, "−11.0 percentage points (95 % interval −17.3 to −5.1): the student is worse than its twin."),
        (20, 28, 2000, "−0.4 percentage points (95 % interval −1.1 to +0.3): no difference shown; 1.0 or more would be found."),
        (5, 0, 200, "+2.5 percentage points: no conclusion, only one of the two is right on 5 of 200 test images (10 are needed)."),
        (0, 0, 200, "+0.0 percentage points: no conclusion, both are right on the same of the 200 test images."),
        (10, 8, 24, "+8.3 percentage points: no conclusion, only 24 test images (50 are needed)."),
    ],
)  # fmt: skip
def test_a_run_in_a_sentence(b, c, n, words):
    assert said(table(b, c, n)) == words


def test_floors_are_where_they_are_said_to_be():
    assert said(table(10, 0, 200)).endswith("the student is better than its twin.")
    assert "9 of 200 test images (10 are needed)" in said(table(9, 0, 200))
    assert said(table(12, 0, 50)).endswith("the student is better than its twin.")
    assert "only 49 test images (50 are needed)" in said(table(12, 0, 49))


def test_three_seeds_make_a_claim_that_two_do_not():
    runs = [table(60 + 5 * seed, 20, 500, seed) for seed in range(3)]
    assert said(*runs).endswith("the student is better than its twin.")
    assert said(*runs[:2]) == "+8.5 percentage points: no conclusion, 2 seeds are too few (3 are needed)."


def test_seeds_that_are_not_finished_leave_no_conclusion():
    runs = [table(60, 20, 500, seed) for seed in range(3)]
    assert said(*runs, planned=9) == "+8.0 percentage points: no conclusion, 3 of 9 seeds are finished."
    assert said(runs[0], planned=3) == "+8.0 percentage points: no conclusion, 1 of 3 seeds is finished."
    assert said(*runs, planned=4) == "+8.0 percentage points: no conclusion, 3 of 4 seeds are finished."
    assert "no conclusion" not in said(*runs, planned=3)


def test_identical_runs_are_no_seeds():
    one = table(60, 20, 500)
    again = [Outcome(one.results, seed=seed, predictions=one.predictions) for seed in (0, 1, 2)]
    assert "no conclusion, seeds 0 and 1 gave identical results" in said(*again)
    assert "no conclusion, seed 0 is there twice" in said(one, one, one)


def test_equal_predictions_with_other_outputs_are_two_seeds():
    right = np.arange(100) < 40
    runs = [run(~right, right, seed) for seed in range(3)]  # nll differs
    assert "no conclusion" not in said(*runs)


def test_equal_differences_do_not_collapse_the_interval():
    runs = [table(20, 10, 300, seed) for seed in range(3)]
    found = summarise(runs).difference
    assert found.high - found.low > 0.04
    assert found.kind == "better" if found.low > 0 else found.kind == "open"


def test_runs_with_other_test_images_are_not_put_together():
    other = table(60, 20, 500, 2)
    moved = {**other.predictions, "targets": other.predictions["targets"] + np.arange(500) % 2}
    runs = [table(60, 20, 500), table(60, 20, 500, 1), Outcome(other.results, 2, moved)]
    assert "the runs have different test images" in said(*runs)
    fewer = table(60, 20, 400, 2)
    assert "the runs have different test images" in said(*runs[:2], fewer)
    assert "the runs have different test images" in said(*runs[:2], Outcome(fewer.results, 2))  # of an earlier version


def test_settings_that_a_user_changed_leave_no_conclusion():
    turned = table(60, 20, 500, turned=("weight of kd",))
    assert (
        said(turned) == "+8.0 percentage points: no conclusion, a user changed settings during the run (weight of kd)."
    )


def test_few_images_that_tell_the_networks_apart_leave_no_conclusion_over_seeds_either():
    runs = [table(5, 2, 500, seed) for seed in range(3)]
    assert "right on 21 of 3 x 500 predictions (30 are needed)" in said(*runs)


def test_older_runs_without_predictions_get_a_wider_interval():
    new = [table(60, 20, 500, seed) for seed in range(3)]
    old = [Outcome(each.results, each.seed) for each in new]
    one, other = summarise(new).difference, summarise(old).difference
    assert other.mean == pytest.approx(one.mean)
    assert other.high - other.low > one.high - one.low
    assert summarise(old[:1]).difference == summarise(new[:1]).difference  # a single run's counts are all it takes


def test_holm_worked_by_hand():
    # p-values 0.0003, 0.027, 0.027 and 0.32: 0.05 / 4, then 0.05 / 3 = 0.0167 stops; alone, each of the first three is a claim
    tables = [(58, 24), (32, 16), (32, 16), (50, 40)]
    pairs = [with_twin(table(b, c, 1000, seed)) for seed, (b, c) in enumerate(tables)]
    found = conclude_all([Compared((pair,)) for pair in pairs])
    assert [conclude(Compared((pair,))).kind for pair in pairs] == ["better", "better", "better", "open"]
    assert [each.kind for each in found] == ["better", "open", "open", "open"]
    assert [each.alpha for each in found] == pytest.approx([0.05 / 4, 0.05 / 3, 0.05 / 3, 0.05 / 3])
    assert all((each.low > 0) == (each.kind == "better") for each in found)
    assert claim(found[0], "a", "b").startswith("+3.4 percentage points (98.8 % interval ")


def test_comparisons_that_have_no_runs_yet_count_too():
    (found,) = conclude_all([Compared((with_twin(table(32, 16, 1000)),))], planned=3)
    assert (found.kind, found.comparisons, found.alpha) == ("open", 3, pytest.approx(0.05 / 3))


def test_a_refused_comparison_takes_part_in_the_correction():
    few, enough = (Compared((with_twin(table(b, c, 1000)),)) for b, c in ((5, 0), (30, 16)))
    refused, found = conclude_all([few, enough])
    assert (refused.kind, found.kind, found.comparisons) == ("refused", "open", 2)


def test_students_of_two_variants_are_paired_image_by_image():
    right = np.arange(500) % 5 > 0
    better = [table(60, 20, 500, seed) for seed in range(3)]
    same = [run(right, right, seed) for seed in range(3)]
    found = conclude(Compared(tuple(with_student(one, two) for one, two in zip(better, same, strict=True)), 3))
    expected = np.mean([one.results["student"]["top1"] - 0.8 for one in better])
    assert found.mean == pytest.approx(expected)
    assert claim(found, "its student", "that of B").endswith("its student is better than that of B.")


def test_an_interval_without_width_makes_no_claim():
    right = np.arange(60) < 30
    runs = [run(np.ones(60), np.zeros(60), seed) for seed in range(3)]
    assert "the interval has no width" in said(*runs)
    assert "no conclusion" not in said(run(np.ones(60), right * 0, 0))  # the score interval of one run has a width


IMAGES = ImagesTested("cues", 32, "ab12")


def test_students_that_were_tested_on_different_images_are_not_compared():
    """The number of images and their classes agree, as for two drawings of one dataset."""
    seeds = [table(60, 20, 500, seed, tested_on=IMAGES) for seed in range(3)]
    others = [table(20, 60, 500, seed, tested_on=IMAGES) for seed in range(3)]
    drawn_anew = [replace(each, tested_on=IMAGES._replace(checksum="cd34")) for each in others]

    def against(runs):
        pairs = tuple(with_student(one, two) for one, two in zip(seeds, runs, strict=True))
        return conclude(Compared(pairs, 3)).why, conclude(Compared(pairs[:1])).why

    assert against(others) == ("", "")
    assert against(drawn_anew) == ("the two were tested on different images",) * 2
    resized = [replace(each, tested_on=ImagesTested("cues", 64, "ef56")) for each in others]
    assert against(resized) == ("", "")  # the same images at another size cannot be told by their pixels
    elsewhere = [replace(each, tested_on=ImagesTested("folder", 64, "ef56")) for each in others]
    assert against(elsewhere) == ("the two were tested on different images",) * 2
    fewer = [Outcome(table(20, 60, 400, seed).results, seed) for seed in range(3)]
    assert against(fewer) == ("the two were tested on different images",) * 2


def test_seeds_that_were_tested_on_different_images_are_not_put_together():
    runs = [table(60, 20, 500, seed, tested_on=IMAGES._replace(checksum=f"{seed == 2}")) for seed in range(3)]
    assert "the runs have different test images" in said(*runs)


def test_a_twin_that_some_seeds_lack_is_not_said_to_be_missing_altogether():
    runs = [table(60, 20, 500, seed) for seed in range(4)]
    alone = Outcome({"student": runs[3].results["student"]}, seed=3)
    assert said(*runs[:3], alone) == "+8.0 percentage points: no conclusion, 1 of 4 runs have no twin."
    assert sentence(summarise([alone])) == "Neither a teacher nor a twin: there is nothing to compare the student with."
