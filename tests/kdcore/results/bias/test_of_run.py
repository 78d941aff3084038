import numpy as np
import pytest

from kdcore.results import predictions as measured
from kdcore.results.bias.of_run import of_counts, of_predictions
from kdcore.results.bias.sentences import sentence, what_else_passed_on, within
from kdcore.results.bias.transfer import judged
from kdcore.results.comparison.paired import Paired


@pytest.fixture
def predictions():
    """A student that often predicts as its teacher does, and a twin that does not."""
    random, n = np.random.default_rng(0), 2000
    targets = np.arange(n) % 4

    def mixed(one, other, share):
        return np.where(random.random(n) < share, one, other)

    teacher = mixed(targets, random.integers(0, 4, n), 0.7)
    student = mixed(teacher, mixed(targets, random.integers(0, 4, n), 0.6), 0.6)
    twin = mixed(targets, random.integers(0, 4, n), 0.6)
    return {"targets": targets, "teacher": teacher, "student": student, "twin": twin}


COUNTS = {
    "images": 300,
    "accuracy": {"patch_scramble@4": {"student": 0.5, "twin": 0.4, "teacher": 0.7}},
    "only": {"patch_scramble@4": {"student/twin": 50, "twin/student": 20, "teacher/twin": 100, "twin/teacher": 10}},
}


TITLES = {"patch_scramble@4": "Scrambled patches (4)"}


def test_agreement_and_error_consistency_are_those_of_the_results(predictions):
    agreement, kappa = of_predictions(predictions)
    right = {name: own == predictions["targets"] for name, own in predictions.items()}
    assert agreement.student == np.mean(predictions["student"] == predictions["teacher"])
    assert kappa.student == pytest.approx(measured.error_consistency(right["student"], right["teacher"]))
    assert (agreement.teacher, kappa.teacher) == pytest.approx((1, 1))
    assert [found.kind for found in judged([agreement, kappa])] == ["passes on", "passes on"]


def test_without_a_twin_or_a_teacher_there_is_nothing_to_compare(predictions):
    assert of_predictions({name: own for name, own in predictions.items() if name != "twin"}) == []
    assert of_predictions({name: own for name, own in predictions.items() if name != "teacher"}) == []


def test_networks_without_errors_have_agreement_alone():
    right = np.arange(100) % 4
    assert [
        each.measure.name for each in of_predictions(dict.fromkeys(("targets", "student", "twin", "teacher"), right))
    ] == ["agreement"]


def test_counts_give_tangos_interval():
    (found,) = judged(of_counts(COUNTS, TITLES.get))
    assert (found.kind, found.images) == ("passes on", 300)
    assert (found.change.low, found.change.high) == pytest.approx(Paired(50, 20, 300).interval())
    assert found.share.why == "only counts of images were stored"
    assert sentence(found).startswith(
        "Accuracy on scrambled patches (4), of validation images passes on: student − twin +10.0"
    )


def test_few_images_that_only_one_gets_right_allow_no_claim():
    few = COUNTS | {
        "only": {"patch_scramble@4": {"student/twin": 5, "twin/student": 1, "teacher/twin": 100, "twin/teacher": 10}}
    }
    (found,) = judged(of_counts(few, TITLES.get))
    assert found.why == "of student and twin, the networks differ on 6 of 300 predictions (10 are needed)"


def test_one_line_counts_all_comparisons(predictions):
    line = what_else_passed_on(judged([*of_predictions(predictions), *of_counts(COUNTS, TITLES.get)]))
    assert line.startswith("Besides accuracy, the student is closer to the teacher than the twin in: ")
    assert "agreement with the teacher (student − twin +" in line
    assert "error consistency with the teacher (student − twin +0." in line
    assert line.endswith(
        "3 comparisons; in brackets: 95 % intervals, corrected for their number (Holm). "
        "One seed: the intervals cover the choice of the images, not the variation between seeds."
    )


@pytest.mark.parametrize(
    ("title", "words"),
    [("Low-pass (6)", "low-pass (6)"), ("JPEG compression (3)", "JPEG compression (3)"), ("", "")],
)
def test_a_title_within_a_sentence(title, words):
    assert within(title) == words
