import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from kdcore.results import metrics
from kdcore.results.comparison.share import least_gap


def test_classification_worked_by_hand():
    # confidences .75 (right), .75 (wrong), .5 (right): bins 11 and 7 of 15
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0], [0.0, 0.0]])
    figures = metrics.classification(logits, torch.tensor([0, 1, 0]))
    assert figures["top1"] == pytest.approx(2 / 3)
    assert figures["nll"] == pytest.approx(-(math.log(0.75) + math.log(0.25) + math.log(0.5)) / 3)
    assert figures["ece"] == pytest.approx((abs(1 - 1.5) + abs(1 - 0.5)) / 3)
    assert figures["count"] == 3


def test_two_classes_worked_by_hand():
    # positives score 2 and 0, negatives 0 and -1: of four pairs three are in order and one is a tie
    logits = torch.tensor([[0.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    figures = metrics.classification(logits, torch.tensor([1, 1, 0, 0]))
    assert figures["auroc"] == pytest.approx(3.5 / 4)
    assert figures["sensitivity"] == pytest.approx(1 / 2)  # equal logits are answered with class 0
    assert figures["specificity"] == pytest.approx(1.0)


def test_two_classes_agree_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(2, (300,), generator=generator)
    logits = torch.randn(300, 2, generator=generator) + 0.7 * torch.nn.functional.one_hot(targets, 2)
    logits = (4 * logits).round() / 4  # with ties
    figures, answers = metrics.two_classes(logits, targets), logits.argmax(1)
    assert figures["auroc"] == pytest.approx(sklearn.roc_auc_score(targets, logits[:, 1] - logits[:, 0]))
    assert figures["sensitivity"] == pytest.approx(sklearn.recall_score(targets, answers))
    assert figures["specificity"] == pytest.approx(sklearn.recall_score(targets, answers, pos_label=0))


def test_what_one_class_cannot_tell_is_left_out():
    assert metrics.two_classes(torch.tensor([[0.0, 1.0]]), torch.tensor([1])) == {"sensitivity": 1.0}
    assert "auroc" not in metrics.classification(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))


def test_wilson_agrees_with_the_closed_form():
    low, high = metrics.wilson(80, 100)
    z, p, n = stats.norm.ppf(0.975), 0.8, 100
    centre, half = (
        (p + z * z / 2 / n) / (1 + z * z / n),
        z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n),
    )
    assert (low, high) == pytest.approx((centre - half, centre + half))


def test_the_paired_interval_is_close_to_the_bootstrap_s_over_many_images():
    rng = np.random.default_rng(1)
    first, second = rng.random(500) < 0.8, rng.random(500) < 0.7
    found = metrics.paired_difference(first, second)
    gaps = first.astype(float) - second.astype(float)
    drawn = np.array([rng.choice(gaps, 500).mean() for _ in range(4000)])  # one resampled test set at a time
    assert found["top1"] == pytest.approx(gaps.mean())
    assert (found["low"], found["high"]) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.006)


def test_mcnemar_counts_only_the_images_on_which_they_differ():
    first = np.array([True] * 8 + [False] * 2 + [True] * 90)
    second = np.array([False] * 8 + [True] * 2 + [True] * 90)
    found = metrics.paired_difference(first, second)
    assert (found["only_first"], found["only_second"]) == (8, 2)
    assert found["mcnemar"] == pytest.approx(2 * sum(math.comb(10, k) for k in (8, 9, 10)) / 2**10)


def test_equal_networks_show_no_difference():
    same = np.array([True, False] * 50)
    # 1.96^2 / (100 + 1.96^2): equal on 100 images is not equal on all
    assert metrics.paired_difference(same, same) == pytest.approx({
        "top1": 0, "low": -0.03699, "high": 0.03699, "only_first": 0, "only_second": 0, "mcnemar": 1.0,
    }, abs=1e-5)  # fmt: skip


def test_a_confidence_of_one_is_in_the_last_bin():
    logits = torch.tensor([[1000.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
    figures = metrics.classification(logits, torch.tensor([0, 1]))  # one right, one wrong, both entirely sure
    assert figures["ece"] == pytest.approx(0.5)
    assert figures["top1"] == pytest.approx(0.5)
    assert figures["nll"] == pytest.approx(500)


def test_calibration_error_is_numpy_s_over_fifteen_equal_bins():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 2, (400, 5)), rng.integers(0, 5, 400)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (sure >= low) & (sure < low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    found = metrics.classification(torch.from_numpy(logits), torch.from_numpy(targets))
    assert found["ece"] == pytest.approx(expected)


@pytest.mark.parametrize("correct, count", [(0, 10), (10, 10), (1, 3), (997, 2000)])
def test_wilson_agrees_with_scipy(correct, count):
    interval = stats.binomtest(correct, count).proportion_ci(method="wilson")
    assert metrics.wilson(correct, count) == pytest.approx((interval.low, interval.high))
    assert 0 <= interval.low <= correct / count <= interval.high <= 1


def test_the_difference_has_the_sign_of_the_first():
    better, worse = np.array([True] * 30 + [False] * 10), np.array([True] * 10 + [False] * 30)
    found = metrics.paired_difference(better, worse)
    assert found["top1"] == pytest.approx(0.5)
    assert 0 < found["low"] < 0.5 < found["high"]
    assert metrics.paired_difference(worse, better)["high"] == pytest.approx(-found["low"], abs=0.03)


def drawn_outputs():
    """Logits of a teacher and of an overconfident network on 300 images of five classes, and the labels."""
    rng = np.random.default_rng(7)
    targets = torch.from_numpy(rng.integers(0, 5, 300))
    hints = torch.nn.functional.one_hot(targets, 5)
    teacher = torch.from_numpy(rng.normal(0, 1, (300, 5))) + 2 * hints
    return teacher, 1.7 * torch.from_numpy(rng.normal(0, 1, (300, 5))) + hints, targets


def test_calibration_error_and_divergence_are_those_of_torchmetrics():
    teacher, network, targets = drawn_outputs()  # expected: torchmetrics 1.9.0, n_bins=15, norm="l1", in float32
    assert metrics.calibration_error(network, targets) == pytest.approx(0.2811858356, abs=1e-6)
    assert metrics.calibration_error(network, targets, 2.5) == pytest.approx(0.0613851957, abs=1e-6)
    assert metrics.divergence(teacher, network) == pytest.approx(1.2168292386, abs=1e-6)


def test_nll_and_divergence_are_those_of_scikit_learn_and_scipy():
    sklearn = pytest.importorskip("sklearn.metrics")
    teacher, network, targets = drawn_outputs()
    assert metrics.classification(network, targets)["nll"] == pytest.approx(
        sklearn.log_loss(targets, network.softmax(1)), abs=1e-9
    )
    of_each = stats.entropy(teacher.softmax(1).numpy(), network.softmax(1).numpy(), axis=1)
    assert metrics.divergence(teacher, network) == pytest.approx(of_each.mean(), abs=1e-9)
    assert metrics.divergence(teacher, teacher) == 0


def test_the_calibrating_temperature_by_hand():
    # three in four right with logits (2, 0): fits where sigmoid(2 / T) = 3 / 4, so T = 2 / ln 3
    logits, labels = torch.tensor([[2.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
    assert metrics.calibrating_temperature(logits, labels) == pytest.approx(2 / math.log(3), rel=1e-3)


def test_the_calibrating_temperature_is_that_of_a_generic_optimiser():
    _, network, targets = drawn_outputs()
    by_scipy = optimize.minimize(
        lambda t: torch.nn.functional.cross_entropy(network / float(t[0]), targets).item(), [1.0], method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-12},
    ).x[0]  # fmt: skip
    assert metrics.calibrating_temperature(network, targets) == pytest.approx(by_scipy, rel=1e-4)


def test_outputs_that_are_not_numbers_have_no_temperature_and_perfect_ones_the_coldest():
    assert math.isnan(metrics.calibrating_temperature(torch.tensor([[math.nan, 0.0]]), torch.tensor([0])))
    perfect = metrics.calibrating_temperature(torch.tensor([[0.5, 0.0]] * 5), torch.tensor([0] * 5))
    assert perfect == pytest.approx(metrics.COLDEST, rel=1e-3)


@pytest.mark.parametrize("first, second, low", [
    ((56, 70), (48, 80), 0.0524), ((9, 10), (3, 10), 0.1705), ((5, 56), (0, 29), -0.0381), ((10, 10), (0, 20), 0.6791),
])  # fmt: skip
def test_the_gap_of_two_shares_as_newcombe_printed_it(first, second, low):
    """Statistics in Medicine 17 (1998), table II, method 10, 95 %."""
    shares = [(correct / count, count) for correct, count in (first, second)]
    assert least_gap(*shares, 1.959964) == pytest.approx(low, abs=6e-5)
