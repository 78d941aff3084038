"""What few images allow: nothing false is claimed where a measure rests on few of them, or where few images make it too high."""

import numpy as np
import pytest
from scipy import stats

from kdcore.results.bias import Observation, Outcome, measures
from kdcore.results.bias.contributions import absolute_sum, upward_bias
from kdcore.results.bias.difference import Difference, compared, values
from kdcore.results.bias.measure import Measure


def difference(measure: Measure, first: Observation, second: Observation) -> Difference:
    found = compared(values(measure, [first]), values(measure, [second]), share=measure.by == "share")
    return found.at(0.05)


def confident(confidence: np.ndarray, right: np.ndarray) -> Observation:
    """A network of two classes by its confidence and by where it is right; all images are of class 0."""
    of_first = np.where(right, confidence, 1 - confidence)
    return Observation(Outcome(np.zeros(len(right), int), np.log(np.stack([of_first, 1 - of_first], axis=1))))


def calibrated(random: np.random.Generator, low: float, high: float, images: int = 300) -> Observation:
    """A network that is right as often as it is confident, so that its true calibration error is 0."""
    confidence = random.uniform(low, high, images)
    return confident(confidence, random.random(images) < confidence)


def test_calibrated_networks_are_not_said_to_differ_in_calibration():
    random = np.random.default_rng(5)
    unsure_and_sure = [(calibrated(random, 0.55, 0.9), calibrated(random, 0.98, 0.999)) for _ in range(40)]
    claims = [difference(measures.calibration, *pair).sign for pair in unsure_and_sure]
    # 5 % of 40 are 2; without the bias of few images, which the unsure network has more of, 17 of them differ
    assert sum(map(bool, claims)) <= 2


def test_a_network_that_is_far_too_confident_is_still_said_to_be_less_calibrated():
    random = np.random.default_rng(6)
    confidence = random.uniform(0.9, 0.99, 1000)
    found = difference(
        measures.calibration,
        confident(confidence, random.random(1000) < confidence - 0.2),
        calibrated(random, 0.9, 0.99, 1000),
    )
    assert found.low > 0.1
    assert found.low < 0.2 < found.high


def test_the_bias_of_a_sum_of_absolute_means_is_the_folded_normal_distributions():
    columns = np.random.default_rng(7).normal((0.0, 0.3), (0.1, 0.2), (400, 2))
    errors = columns.std(axis=0) / 20
    distances = np.maximum(0, np.abs(columns.mean(axis=0)) / errors - 1.5)
    expected = (errors * (stats.foldnorm.mean(distances) - distances)).sum()
    assert upward_bias(columns) == pytest.approx(expected)
    drawn = np.abs(np.random.default_rng(8).normal(0, 0.1, (4000, 400, 1)).mean(axis=1)).mean()
    assert upward_bias(columns[:, :1]) == pytest.approx(drawn, rel=0.1)
    assert absolute_sum(np.zeros(1)) == 0


def deciding(shape: int, texture: int) -> Observation:
    """Of 1,000 images with conflicting cues, a network's predictions of so many shapes and textures; elsewhere of a third class."""
    targets, textures = np.zeros(1000, int), np.ones(1000, int)
    predicted = np.repeat([0, 1, 2], [shape, texture, 1000 - shape - texture])
    return Observation(Outcome(targets, np.eye(3)[predicted] * 9, textures))


def test_the_shape_bias_of_a_few_decisions_is_no_claim():
    assert stats.fisher_exact([[5, 1], [1, 5]]).pvalue > 0.05
    found = difference(measures.shape_bias, deciding(5, 1), deciding(1, 5))
    assert found.why == "shape or texture of only 6 images is predicted (50 are needed)"
    assert not found.bounded
    assert stats.fisher_exact([[50, 10], [10, 50]]).pvalue < 1e-9
    assert difference(measures.shape_bias, deciding(50, 10), deciding(10, 50)).sign == 1


def right(*wrong: range) -> np.ndarray:
    found = np.ones(1000, bool)
    for places in wrong:
        found[list(places)] = False
    return found


def network(where_right: np.ndarray, teacher: np.ndarray) -> Observation:
    def outcome(own: np.ndarray) -> Outcome:
        return Outcome(np.zeros(1000, int), np.where(own[:, None], [9.0, 0.0], [0.0, 9.0]))

    return Observation(outcome(where_right), teacher=outcome(teacher))


def test_error_consistency_with_a_teacher_that_hardly_errs_is_no_claim():
    """In a table of 2 x 2 counts, each is expected to be 5 at least (Cochran, 1954)."""
    teacher = right(range(10))
    student, twin = network(right(range(3), range(100, 197)), teacher), network(right(range(100, 400)), teacher)
    assert difference(measures.error_consistency, student, twin).why == (
        "by chance both would be wrong on 1.0 images (5 are needed)"  # 1,000 x 10 / 1,000 x 100 / 1,000
    )
    alone = measures.error_consistency.value(student)
    assert alone.defined
    assert not alone.bounded


def test_error_consistency_with_a_teacher_that_errs_often_enough_is_compared():
    teacher = right(range(100))
    student, twin = network(right(range(60), range(200, 240)), teacher), network(right(range(200, 300)), teacher)
    assert difference(measures.error_consistency, student, twin).sign == 1
    itself = network(teacher, teacher)
    assert difference(measures.error_consistency, itself, twin).sign == 1
