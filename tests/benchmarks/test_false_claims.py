import numpy as np
import pytest

from benchmarks import false_claims


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
