import math
from dataclasses import replace

import numpy as np
import pytest

from kdcore.results.bias import Outcome, measures
from kdcore.results.bias.difference import Difference
from kdcore.results.bias.estimate import Estimate, linearised
from kdcore.results.bias.fieller import fieller
from kdcore.results.bias.sentences import sentence, what_else_passed_on
from kdcore.results.bias.transfer import Transfer, cases, observations, transfers
from kdcore.results.comparison.crossed import of_images

SETS = {"scramble@4": "scrambled patches (4)"}


def outcome(skill: float, seed: int, difficulty: np.ndarray, textures: bool = False) -> Outcome:
    """A network whose chance of being right follows from its skill and the image's difficulty."""
    n, classes = len(difficulty), 4
    targets = np.arange(n) % classes
    logits = np.random.default_rng(seed).standard_normal((n, classes))
    logits[np.arange(n), targets] += skill - difficulty
    return Outcome(targets, logits, (targets + 1) % classes if textures else None)


@pytest.fixture
def run():
    """Outcomes of a run by the skills of student, twin and teacher on perturbed images."""

    def make(student: float, twin: float, teacher: float, seed: int = 0, n: int = 2000) -> dict:
        difficulty = np.random.default_rng(99).standard_normal(n)
        skills = {"student": student, "twin": twin, "teacher": teacher}
        of = {name: 1000 * seed + place for place, name in enumerate(skills)} | {"teacher": 2}
        return {
            "clean": {name: outcome(2.5, of[name] + 500, difficulty) for name in skills},
            "scramble@4": {name: outcome(skill, of[name], difficulty) for name, skill in skills.items()},
        }

    return make


def accuracy(*runs, titles=SETS):
    (found,) = transfers(cases(runs, titles, [measures.accuracy]))
    return found


def test_the_student_half_way_stands_at_one_half(run):
    found = accuracy(run(1.0, 0.4, 1.6))
    assert found.kind == "passes on"
    assert found.share.mean == pytest.approx((found.student - found.twin) / (found.teacher - found.twin))
    assert found.share.low < 0.5 < found.share.high
    assert found.share.high - found.share.low < 0.6


def test_a_student_that_is_the_teacher_stands_at_1_and_one_that_is_the_twin_at_0(run):
    outcomes = run(1.0, 0.4, 1.6)
    own = outcomes["scramble@4"]
    found = accuracy(outcomes | {"scramble@4": own | {"student": own["teacher"]}})
    assert (found.share.mean, found.share.low, found.share.high) == pytest.approx((1, 1, 1), abs=1e-5)
    found = accuracy(outcomes | {"scramble@4": own | {"student": own["twin"]}})
    assert found.kind == "refused"
    assert (found.share.mean, found.share.low, found.share.high) == pytest.approx((0, 0, 0), abs=1e-5)


def test_transfer_is_undefined_where_teacher_and_twin_do_not_differ(run):
    found = accuracy(run(1.6, 1.0, 1.0))
    assert found.kind == "no gap"
    assert not found.share.defined
    assert found.share.why == "teacher and twin are not shown to differ, so there is nothing between them"
    assert "teacher and twin are not shown to differ (teacher − twin" in sentence(found)


def test_a_change_against_the_teachers_difference_moves_away(run):
    found = accuracy(run(0.4, 1.0, 1.6))
    assert found.kind == "moves away"
    assert found.share.high < 0
    assert sentence(found).startswith("Accuracy on scrambled patches (4) moves away from the teacher: student − twin −")


def test_a_weakness_that_passes_on_is_named(run):
    found = accuracy(run(0.7, 1.4, 0.2))
    assert (found.kind, found.over_distilled) == ("passes on", True)
    assert sentence(found).endswith("The teacher is worse than the twin here, so the student inherits a weakness.")
    assert what_else_passed_on([found]).startswith(
        "Weaknesses of the teacher that passed on: accuracy on scrambled patches (4) (student − twin −"
    )


def test_a_measure_of_which_neither_side_is_better_is_no_weakness(run):
    found = transfers(cases([run(0.7, 1.4, 0.2)], SETS, [measures.consistency]))[0]
    assert (found.kind, found.over_distilled) == ("passes on", False)


def test_lower_calibration_errors_are_better(run):
    wrong = transfers(cases([run(0.5, 2.0, -0.5)], SETS, [measures.nll]))[0]
    assert wrong.student > wrong.twin
    assert wrong.over_distilled


def test_networks_of_random_labels_pass_nothing_on():
    difficulty = np.random.default_rng(99).standard_normal(500)
    for first in range(0, 20_000, 1000):
        chance = [
            {
                name: outcome(0, first + 100 * seed + place, difficulty)
                for place, name in enumerate(("student", "twin", "teacher"))
            }
            for seed in range(3)
        ]
        assert accuracy(*({"scramble@4": run} for run in chance)).kind in ("no gap", "not shown")


def test_several_seeds_give_an_interval_with_their_variation(run):
    def seeds(spread: float) -> list:
        shifts = [-1.2, 0.3, 1.0, -0.4, 0.3]
        return [run(1.0 + spread * shift, 0.4, 1.6, seed + 1) for seed, shift in enumerate(shifts)]

    alike, varied = accuracy(*seeds(0)), accuracy(*seeds(0.3))
    assert (alike.seeds, alike.images) == (5, 2000)
    assert varied.share.high - varied.share.low > 1.5 * (alike.share.high - alike.share.low)


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (lambda run: [run(1.0, 0.4, 1.6, seed) for seed in (1, 2)], "2 seeds are too few (3 are needed)"),
        (lambda run: [run(1.0, 0.4, 1.6, 1)] * 3, "two seeds gave identical results"),
        (lambda run: [run(1.0, 0.4, 1.6, n=40)], "only 40 images (50 are needed)"),
        (lambda run: [run(1.0, 1.0, 1.0, n=60)], ""),
    ],
)
def test_nothing_is_claimed_from_too_little(run, runs, why):
    found = accuracy(*runs(run))
    assert found.kind in ("refused", "no gap")
    assert why in sentence(found)


def test_settings_that_a_user_changed_allow_no_claim(run):
    (found,) = transfers(cases([run(1.0, 0.4, 1.6)], SETS, [measures.accuracy]), refusal="a user changed settings")
    assert sentence(found) == "Accuracy on scrambled patches (4): no conclusion; a user changed settings."
    assert what_else_passed_on([found]) == "What passed on besides accuracy is not known: a user changed settings."


def test_the_same_difference_is_claimed_alone_but_not_among_many(run):
    (case,) = cases([run(0.62, 0.5, 1.5, n=1000)], SETS, [measures.accuracy])
    alone = transfers([case])[0]
    together = transfers([case], planned=100)[0]
    assert alone.kind == "passes on"
    assert together.kind == "not shown"
    assert together.change.low < 0 < alone.change.low
    assert together.change.alpha == 0.05 / 100
    assert (
        together.share.low < 0 < alone.share.low
    )  # as the sentences: the share of the way has the level of the differences


def test_no_place_between_networks_that_differ_without_the_correction_only(run):
    (case,) = cases([run(1.0, 1.0, 1.27, n=1000)], SETS, [measures.accuracy])
    alone, together = transfers([case])[0], transfers([case], planned=100)[0]
    assert alone.gap.sign == 1
    assert (alone.kind, together.kind) == ("not shown", "no gap")
    assert alone.share.defined
    assert together.share.why == "teacher and twin are not shown to differ, so there is nothing between them"


def test_the_moments_of_several_seeds_give_the_interval_of_their_values():
    random = np.random.default_rng(3)
    twin, teacher = random.normal(0, 1, (4, 300)), np.repeat(random.normal(1, 1, (1, 300)), 4, axis=0)
    student = 0.5 * twin + 0.5 * teacher + random.normal(0, 0.3, (4, 1)) + random.normal(0, 1, (4, 300))
    low, high = fieller(student, twin, teacher)
    for end in (low, high):
        found = of_images(student - twin - end * (teacher - twin))
        assert abs(found.mean) / found.variance**0.5 == pytest.approx(found.critical(0.025), rel=1e-3)
    assert low < 0.5 < high


def test_measures_of_a_comparison_with_clean_images_are_left_out_on_these(run):
    found = cases([run(1.0, 0.4, 1.6)], {"clean": "", **SETS})
    names = {
        each.condition: {case.measure.name for case in found if case.condition == each.condition} for each in found
    }
    assert names[""] == {"accuracy", "ece", "nll", "agreement", "kl", "error_consistency"}
    assert names["scrambled patches (4)"] == names[""] | {"relative_accuracy", "consistency", "output_divergence"}


def test_a_set_of_other_images_has_no_clean_counterpart(run):
    outcomes = run(1.0, 0.4, 1.6)
    other = {name: Outcome(own.targets[::-1].copy(), own.log_probabilities) for name, own in outcomes["clean"].items()}
    assert observations(outcomes | {"clean": other}, "scramble@4")["student"].clean is None


def test_agreement_with_the_teacher_places_the_teacher_at_its_agreement_with_itself(run):
    (found,) = transfers(cases([run(1.0, 0.4, 1.6)], SETS, [measures.agreement]))
    assert found.teacher == 1
    assert found.share.mean == pytest.approx((found.student - found.twin) / (1 - found.twin))


def test_one_line_says_what_passed_on_and_out_of_how_many(run):
    found = transfers(cases([run(1.0, 0.4, 1.6)], SETS, [measures.accuracy, measures.nll, measures.calibration]))
    line = what_else_passed_on(found)
    assert line.startswith("Besides accuracy, the student is closer to the teacher than the twin in: ")
    assert "negative log-likelihood on scrambled patches (4) (student − twin −" in line
    assert line.endswith(
        "3 comparisons; in brackets: 95 % intervals, corrected for their number (Holm). "
        "One seed: the intervals cover the choice of the images, not the variation between seeds."
    )


def test_accuracy_on_clean_images_is_nothing_else(run):
    clean = transfers(
        cases([run(1.0, 0.4, 1.6) | {"clean": run(1.0, 0.4, 1.6)["scramble@4"]}], {"clean": ""}, [measures.accuracy])
    )
    assert clean[0].kind == "passes on"
    assert what_else_passed_on(clean) == "What passed on besides accuracy is not known: nothing was measured."


def test_nothing_shown_is_said_so(run):
    found = transfers(cases([run(1.0, 1.0, 1.6)], SETS, [measures.accuracy]))
    assert what_else_passed_on(found).startswith(
        "Besides accuracy, nothing is shown to have passed on from the teacher. One comparison;"
    )
    assert what_else_passed_on([]) == "What passed on besides accuracy is not known: nothing was measured."


def test_outputs_that_are_not_finite_are_no_claim(run):
    outcomes = run(1.0, 0.4, 1.6)
    own = outcomes["scramble@4"]
    broken = replace(own["twin"], log_probabilities=np.full_like(own["twin"].log_probabilities, np.nan))
    found = accuracy(outcomes | {"scramble@4": own | {"twin": broken}})
    assert (found.kind, found.why) == ("refused", "of the twin, outputs are not finite")
    assert math.isnan(found.share.mean)


def test_fiellers_interval_is_the_textbooks():
    random = np.random.default_rng(1)
    gap = random.normal(1.0, 2.0, 400)
    change = 0.5 * gap + random.normal(0, 1.0, 400)
    low, high = fieller(change[None], np.zeros((1, 400)), gap[None])
    z, n = 1.959964, 400  # the roots of (change - t gap)^2 = z^2 var(change - t gap)
    covariance = np.cov(change, gap) / n
    a = gap.mean() ** 2 - z**2 * covariance[1, 1]
    b = -2 * (change.mean() * gap.mean() - z**2 * covariance[0, 1])
    c = change.mean() ** 2 - z**2 * covariance[0, 0]
    root = math.sqrt(b**2 - 4 * a * c)
    assert (low, high) == pytest.approx(((-b - root) / 2 / a, (-b + root) / 2 / a), abs=1e-5)


def test_linearised_values_have_the_measure_as_mean_and_the_bootstraps_variance(network):
    from kdcore.results.bias import Observation
    from kdcore.results.bias.estimate import bootstrapped

    seen = Observation(network(1.0, 1), network(2.0, 2), network(1.5, 3))
    for measure in (measures.relative_accuracy, measures.error_consistency):
        columns = measure.columns(seen)
        values = linearised(columns, measure.combine)
        assert values.mean() == pytest.approx(measure.value(seen).mean)
        spread = bootstrapped(columns, measure.combine).std()
        assert values.std() / math.sqrt(len(values)) == pytest.approx(spread, rel=0.06)


def test_the_comparisons_that_are_counted_are_those_that_the_correction_counts(run):
    found = transfers(
        cases([run(1.0, 0.4, 1.6)], {"clean": "", **SETS}, [measures.accuracy, measures.nll])
    )  # four, one of them the accuracy on clean images
    assert " 4 comparisons; in brackets" in what_else_passed_on(found)
    assert {each.gap.alpha for each in found} <= {0.05 / left for left in (1, 2, 3, 4)}


def test_several_seeds_are_not_called_one(run):
    seeds = [run(1.0, 0.4, 1.6, seed) for seed in (1, 2, 3)]
    assert "One seed" not in what_else_passed_on(transfers(cases(seeds, SETS, [measures.accuracy])))


def test_figures_have_the_digits_of_their_interval():
    """A difference of 0.003 nats with an interval of 0.001 to 0.005 leaves out 0 in print too."""
    gap = Difference(0.003, 0.001, 0.005)
    change = Difference(0.0004, 0.0002, 0.0006)
    share = Estimate(0.13, 0.004, 0.2)
    moved = Transfer(measures.nll, "", "passes on", "", 0.1, 0.1, 0.1, share, change, gap, seeds=3, images=1000)
    assert sentence(moved) == (
        "Negative log-likelihood passes on: student − twin +0.0004 nats (+0.0002 to +0.0006), teacher − twin +0.003 nats (+0.001 to "
        "+0.005); the student stands at 13.0 % of the way from twin to teacher (0.4 to 20.0 %)."
    )
    of_shares = replace(moved, measure=measures.accuracy)
    assert "student − twin +0.04 percentage points (+0.02 to +0.06), teacher − twin +0.3" in sentence(of_shares)
