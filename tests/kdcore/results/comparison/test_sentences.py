import dataclasses
import math

import pytest
from scipy import stats

from kdcore.results.comparison import (
    Conclusion,
    Figure,
    Outcome,
    claim,
    corrected,
    covers,
    covers_all,
    ends,
    latex,
    level,
    over_seeds,
    points,
    sentence,
    summarise,
    summarise_all,
    with_interval,
)
from kdcore.results.comparison.crossed import Crossed
from kdcore.results.comparison.summary import share_interval


def network(top1, **more):
    return {"top1": top1, "low": top1 - 0.01, "high": top1 + 0.01, "count": 2000, "nll": 1.0 + top1, "ece": 0.1, **more}


def run(only_student, only_twin, seed=0, count=2000, **more):
    """A run without predictions: the twin is right on half of the images, and the counts tell the rest."""
    gap = (only_student - only_twin) / count
    student = network(0.5 + gap + seed / 1e6)
    difference = {"top1": gap, "only_student": only_student, "only_twin": only_twin}
    return Outcome({"student": student, "twin": network(0.5), "difference": difference}, seed=seed, **more)


def test_seeds_get_student_s_interval_as_scipy_s_t_test_gives_it():
    values = [0.71, 0.74, 0.69, 0.72]
    found = over_seeds(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((sum(values) / 4, low, high))


def test_a_single_value_has_no_interval():
    assert over_seeds([0.5]) == Figure(0.5, -math.inf, math.inf)
    assert not over_seeds([0.5]).bounded


@pytest.mark.parametrize("values", [[0.4, 0.6], [1.0, 1.0, 1.0]])
def test_two_seeds_and_equal_values_have_no_interval_that_would_claim_to_know_how_they_vary(values):
    assert over_seeds(values) == Figure(sum(values) / len(values))


def test_a_single_seed_says_that_its_interval_leaves_the_seed_out():
    assert covers(summarise([run(60, 18)])) == (
        "One seed: the interval covers the choice of the 2,000 test images, not the variation between seeds."
    )


def test_several_seeds_say_what_their_interval_covers():
    assert covers(summarise([run(60, 18, seed) for seed in range(3)])) == (
        "Mean of 3 seeds: the interval covers initial weights, order of batches and augmentation, and the choice of the "
        "2,000 test images; training images and labels were the same for every seed, so their choice is not covered."
    )


def test_trained_weights_that_every_seed_begins_with_are_not_said_to_be_covered():
    assert covers(summarise([run(60, 18, seed, pretrained=True) for seed in range(3)])) == (
        "Mean of 3 seeds: the interval covers order of batches and augmentation, and the choice of the 2,000 test images; training "
        "images and labels were the same for every seed, so their choice is not covered; the student began with the same trained weights."
    )


def test_redrawn_data_are_said_to_be_covered():
    found = summarise([run(60, 18, seed, redrawn=True) for seed in range(3)])
    assert covers(found).endswith("each seed had its own training images, validation images and labels.")
    mixed = summarise([run(60, 18, seed, redrawn=seed > 0) for seed in range(3)])
    assert "were the same for every seed" in covers(mixed)


def test_two_seeds_have_no_interval_of_their_accuracy_either():
    found = summarise([run(60, 18, seed) for seed in range(2)])
    assert covers(found) == "Mean of 2 seeds, without intervals: 3 seeds are needed for them."
    assert not found.networks["student"]["top1"].bounded


def test_where_no_difference_is_shown_the_smallest_that_would_be_found_stands_beside():
    found = summarise([run(20, 28)])
    assert sentence(found) == (
        "−0.4 percentage points (95 % interval −1.1 to +0.3): no difference shown; 1.0 or more would be found."
    )
    assert covers(found).endswith("“Would be found”: in 80 % of repetitions.")


def test_several_comparisons_say_how_many_and_that_they_are_corrected():
    found = summarise_all([[run(60, 18)], [run(20, 28)]], [1, 1])
    assert sentence(found[0]).startswith("+2.1 percentage points (97.5 % interval ")
    assert covers(found[0]).endswith(
        "2 comparisons, with wider intervals (Holm's correction), so that a false claim among all of them has a probability of about 5 %."
    )


def test_without_a_twin_nothing_is_said_of_the_teacher():
    summary = summarise([Outcome({"student": network(0.9), "teacher": network(0.95)})])
    assert (summary.kind, summary.difference) == ("unknown", None)
    assert sentence(summary) == "No twin was trained, so the effect of the teacher is unknown."


def test_without_teacher_and_twin_no_teacher_is_spoken_of():
    summary = summarise([Outcome({"student": network(0.9)})])
    assert sentence(summary) == "Neither a teacher nor a twin: there is nothing to compare the student with."


def test_where_no_comparison_has_an_interval_none_is_said_to_be_wider():
    changed = [dataclasses.replace(run(60, 18, seed), turned=("weight of kd",)) for seed in range(2)]
    refused = summarise_all([changed[:1], changed[1:]], [1, 1])
    assert all(each.difference.comparisons == 2 for each in refused)
    assert corrected([each.difference for each in refused]) == ""
    assert "Holm" not in covers_all(refused)


def test_several_summaries_are_described_by_one_with_an_interval():
    two_seeds, three = [run(60, 18, seed) for seed in range(2)], [run(60, 18, seed) for seed in range(3)]
    found = summarise_all([two_seeds, three[:1]], [2, 1])
    assert covers_all(found).startswith("One seed: the interval covers the choice of the 2,000 test images")
    assert "2 comparisons, with wider intervals (Holm's correction)" in covers_all(found)
    assert covers_all(summarise_all([two_seeds, three], [2, 3])).startswith("Mean of 3 seeds")


def test_figures_of_two_classes_are_there_where_every_run_has_them():
    two = {"auroc": 0.9, "sensitivity": 0.8, "specificity": 0.7}
    both = summarise([Outcome({"student": network(0.9, **two)}), Outcome({"student": network(0.8, **two)}, 1)])
    assert both.networks["student"]["auroc"].mean == pytest.approx(0.9)
    mixed = summarise([Outcome({"student": network(0.9, **two)}), Outcome({"student": network(0.8)}, 1)])
    assert "auroc" not in mixed.networks["student"]


def test_a_difference_of_nothing_is_no_minus_zero():
    assert (points(-0.00001), points(-0.004)) == ("+0.0", "−0.4")


@pytest.mark.parametrize(
    "low, high, words",
    [
        (0.013, 0.029, "+1.3 to +2.9"),
        (0.0003, 0.02, "+0.03 to +2.00"),
        (-0.0003, 0.02, "−0.03 to +2.00"),
        (-0.02, -0.000004, "−2.0000 to −0.0004"),
        (0.0, 0.02, "+0.0 to +2.0"),
    ],
)
def test_an_interval_shows_on_which_side_of_zero_it_ends(low, high, words):
    assert ends(Figure(0.01, low, high)) == words


@pytest.mark.parametrize("alpha, words", [(0.05, "95 %"), (0.05 / 3, "98.3 %"), (0.01, "99 %"), (0.05 / 60, "99.92 %")])
def test_the_level_of_an_interval(alpha, words):
    assert level(Conclusion(0.1, 0, 1, alpha=alpha)) == words


def test_claims_name_the_networks():
    found = Conclusion(0.021, 0.004, 0.038, kind="better")
    assert claim(found, "its student", "that of lr 0.001") == (
        "+2.1 percentage points (95 % interval +0.4 to +3.8): its student is better than that of lr 0.001."
    )


def test_a_share_s_interval_stays_between_nothing_and_all():
    runs = [Outcome({"student": network(top1)}, seed) for seed, top1 in enumerate((0.1, 0.2, 0.9))]
    top1 = summarise(runs).networks["student"]["top1"]
    assert 0 <= top1.low < 0.1
    assert 0.9 < top1.high <= 1


def test_an_export_has_the_interval_of_the_conclusion_and_none_where_it_is_refused():
    stored = {"low": -1.0, "high": 1.0, "mcnemar": 0.5}
    one, few = run(60, 18), run(5, 0)
    for each in (one, few):
        each.results["difference"].update(stored)
    found = with_interval(one)["difference"]
    assert (found["low"], found["high"]) == pytest.approx((0.0127, 0.0302), abs=1e-4)
    assert with_interval(few)["difference"] == {"top1": 5 / 2000, "only_student": 5, "only_twin": 0}
    assert with_interval(Outcome({"student": network(0.5)})) == {"student": network(0.5)}


def test_a_share_over_seeds_has_wilson_s_interval_for_its_variance():
    # 100 independent images would have the variance 0.8 x 0.2 / 100
    low, high = share_interval(Crossed(0.8, 0.0016, 0.0, None), 1000)
    expected = stats.binomtest(80, 100).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_all_right_with_every_seed_is_not_certain():
    low, high = share_interval(Crossed(1.0, 0.0, 0.0, None), 200)
    assert high == pytest.approx(1)
    assert low == pytest.approx(stats.binomtest(200, 200).proportion_ci(0.95, method="wilson").low)


@pytest.mark.parametrize(
    ("only_student", "only_twin", "words"),
    [  # 100,000 images; McNemar's z of 60 and 20 is 4.5, and 2.8 standard errors of 60 discordant ones are 0.022 points
        (60, 20, "+0.04 percentage points (95 % interval +0.02 to +0.06): the student is better than its twin."),
        (20, 60, "−0.04 percentage points (95 % interval −0.06 to −0.02): the student is worse than its twin."),
        (30, 30, "+0.00 percentage points (95 % interval −0.02 to +0.02): no difference shown; 0.02 or more would be found."),
    ],
)  # fmt: skip
def test_a_small_difference_of_many_images_does_not_look_like_none(only_student, only_twin, words):
    counts = {"only_student": only_student, "only_twin": only_twin, "top1": (only_student - only_twin) / 1e5}
    large = network(0.5, count=100_000)
    summary = summarise([Outcome({"student": large, "twin": large, "difference": counts})])
    assert sentence(summary) == words
    assert latex.difference(summary.difference).startswith(f"${words.split()[0].replace('−', '-')}$ [")
