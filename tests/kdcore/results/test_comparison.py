import math

import pytest
from scipy import stats

from kdcore.results.comparison import Figure, covers, over_seeds, points, sentence, summarise


def network(top1, **more):
    return {"top1": top1, "low": top1 - 0.01, "high": top1 + 0.01, "count": 2000, "nll": 1.0, "ece": 0.1, **more}


def results(student, twin, low=None, high=None, **difference):
    gap = student - twin
    told = {"top1": gap, "low": gap - 0.01 if low is None else low, "high": gap + 0.01 if high is None else high}
    return {"student": network(student), "twin": network(twin), "difference": {**told, **difference}}


def test_seeds_get_student_s_interval_as_scipy_s_t_test_gives_it():
    values = [0.71, 0.74, 0.69, 0.72]
    found = over_seeds(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((sum(values) / 4, low, high))


def test_three_seeds_worked_by_hand():
    found = over_seeds([0.1, 0.2, 0.3])
    half = 4.302653 * 0.1 / math.sqrt(3)  # t of 97.5 % with two degrees of freedom, from a printed table
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-6)


def test_a_single_value_has_no_interval():
    assert over_seeds([0.5]) == Figure(0.5, -math.inf, math.inf)
    assert not over_seeds([0.5]).bounded


def test_the_interval_over_seeds_is_that_of_the_differences_not_of_the_two_accuracies():
    runs = [results(0.70, 0.60), results(0.60, 0.50), results(0.80, 0.70)]  # seeds differ much, the gain never
    summary = summarise(runs)
    assert (summary.difference.low, summary.difference.high) == pytest.approx((0.1, 0.1))
    assert summary.networks["student"]["top1"].low < 0.5
    assert summary.kind == "helps"


@pytest.mark.parametrize(
    ("low", "gap", "high", "words", "kind"),
    [
        (0.013, 0.021, 0.029, "+2.1 percentage points relative to the twin (95 % interval +1.3 to +2.9): the teacher helps.", "helps"),
        (-0.021, -0.004, 0.013, "−0.4 percentage points relative to the twin (95 % interval −2.1 to +1.3): no significant difference on this test set.", "same"),
        (-0.08, -0.05, -0.02, "−5.0 percentage points relative to the twin (95 % interval −8.0 to −2.0): the teacher harms.", "harms"),
        (0.0, 0.01, 0.02, "+1.0 percentage points relative to the twin (95 % interval +0.0 to +2.0): no significant difference on this test set.", "same"),
    ],
)  # fmt: skip
def test_a_sentence_claims_no_more_than_its_interval(low, gap, high, words, kind):
    summary = summarise([results(0.5 + gap, 0.5, low, high)])
    assert (sentence(summary), summary.kind) == (words, kind)


def test_where_the_exact_test_does_not_agree_nothing_is_claimed():
    assert summarise([results(0.52, 0.5, 0.001, 0.04, mcnemar=0.063)]).kind == "same"
    assert summarise([results(0.52, 0.5, 0.001, 0.04, mcnemar=0.04)]).kind == "helps"


def test_a_single_seed_says_that_its_interval_leaves_the_seed_out():
    said = covers(summarise([results(0.6, 0.5, mcnemar=0.0001)]))
    assert said == (
        "One seed. The 95 % interval covers the sampling of the 2,000 test images, not the variation between seeds. "
        "Exact McNemar test: p < 0.001."
    )


def test_several_seeds_say_how_many():
    summary = summarise([results(0.6, 0.5), results(0.5, 0.52), results(0.55, 0.5)])
    assert sentence(summary).endswith("no significant difference over these 3 seeds.")
    assert covers(summary).startswith("Mean over 3 seeds")
    assert summary.mcnemar is None


def test_without_a_twin_nothing_is_said_of_the_teacher():
    summary = summarise([{"student": network(0.9)}])
    assert (summary.kind, summary.difference) == ("unknown", None)
    assert sentence(summary) == "No twin was trained, so the effect of the teacher is unknown."


def test_figures_of_two_classes_are_there_where_every_run_has_them():
    two = {"auroc": 0.9, "sensitivity": 0.8, "specificity": 0.7}
    both = summarise([{"student": network(0.9, **two)}, {"student": network(0.8, **two)}])
    assert both.networks["student"]["auroc"].mean == pytest.approx(0.9)
    mixed = summarise([{"student": network(0.9, **two)}, {"student": network(0.8)}])
    assert "auroc" not in mixed.networks["student"]


def test_a_difference_of_nothing_is_no_minus_zero():
    assert (points(-0.00001), points(-0.004)) == ("+0.0", "−0.4")


def test_a_share_s_interval_stays_between_nothing_and_all():
    top1 = summarise([results(0.1, 0.1), results(0.3, 0.1)]).networks["student"]["top1"]
    assert (top1.low, top1.mean) == (0.0, pytest.approx(0.2))
    assert top1.high == 1.0  # half the width of two values' interval is 12.7 deviations over the root of two


@pytest.mark.parametrize("mcnemar, kind", [(0.063, "same"), (0.05, "same"), (0.049, "harms"), (None, "harms")])
def test_harm_needs_the_exact_test_too(mcnemar, kind):
    more = {} if mcnemar is None else {"mcnemar": mcnemar}
    assert summarise([results(0.48, 0.5, -0.04, -0.001, **more)]).kind == kind


@pytest.mark.parametrize("low, high", [(0.0, 0.04), (-0.04, 0.0), (0.0, 0.0), (-0.01, 0.03)])
def test_an_interval_that_touches_zero_claims_nothing(low, high):
    assert summarise([results(0.5, 0.5, low, high, mcnemar=0.0001)]).kind == "same"


@pytest.mark.parametrize(
    "value, words", [(0.0004, "p < 0.001"), (0.001, "p = 0.001"), (0.009, "p = 0.009"), (0.05, "p = 0.050"), (1, "p = 1.000")]
)  # fmt: skip
def test_a_p_value_is_printed_to_three_places(value, words):
    assert covers(summarise([results(0.6, 0.5, mcnemar=value)])).endswith(f"Exact McNemar test: {words}.")


def test_two_seeds_are_too_few_and_three_are_not():
    two, three = ([results(0.6, 0.5)] * count for count in (2, 3))
    assert covers(summarise(two)).endswith("use three or more.")
    assert "three or more" not in covers(summarise(three))
