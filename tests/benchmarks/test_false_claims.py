import numpy as np
import pytest
from scipy import stats

from benchmarks import false_claims, false_faults


def test_networks_that_do_not_differ_are_said_to_only_without_what_is_done_against_few_images():
    measure, _, draw = false_claims.SETTINGS[0]
    before, after, refused = false_claims.false_claims(measure, draw, 20)
    assert before > 0.4
    assert after <= 0.05
    assert refused == 0


def test_the_simulated_networks_are_as_they_are_described():
    found = false_claims.outcome(np.array([True, False]), np.array([0.7, 0.9]))
    assert np.exp(found.logs).max(axis=1) == pytest.approx([0.7, 0.9])
    assert found.right.tolist() == [True, False]


def test_sound_runs_are_as_they_are_described_and_few_are_reported():
    rare, few = (
        next(each for each in false_faults.SETTINGS if text in each.words) for text in ("rare class", "70 % right")
    )
    found = rare.draw(np.random.default_rng(0))
    assert found.predictions["targets"].sum() == 4
    assert found.results["student"]["top1"] == pytest.approx(0.998, abs=0.005)
    simpler, reported = false_faults.reported(few, 100)
    assert simpler == pytest.approx(
        stats.binom.cdf(14, 20, 0.7), abs=0.15
    )  # Wilson's interval of 14 of 20 includes 50 %
    assert reported < 0.15
