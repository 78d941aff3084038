"""Intervals of all tests of a network's maps: at levels by Holm's procedure, with p-values as scipy's."""

import numpy as np
import pytest
from scipy import stats

from kdcore.explain.quality.passing import intervals


def values(mean: float, images: int = 20) -> np.ndarray:
    """Of this mean, and a standard deviation of 1."""
    spread = np.linspace(-1, 1, images)
    return np.asarray(mean + spread / spread.std(ddof=1))


def test_the_smallest_p_value_is_tested_at_a_third_of_5_percent_of_three():
    tests = {("a", "object"): [values(0.6)], ("b", "object"): [values(0.52)], ("c", "object"): [values(0.1)]}
    ps = [stats.ttest_1samp(each, 0).pvalue for (each,) in tests.values()]
    assert ps[0] < 0.05 / 3
    assert 0.025 < ps[1] < 0.05
    found = intervals(tests)
    for test, level in zip(tests, (0.05 / 3, 0.025, 0.025), strict=True):
        (interval,), (each,) = found[test], tests[test]
        expected = stats.t.interval(1 - level, len(each) - 1, each.mean(), stats.sem(each))
        assert interval == pytest.approx((each.mean(), *expected))
    assert [found[test][0][1] > 0 for test in tests] == [True, False, False]


def test_a_test_of_two_differences_needs_both_above_0():
    strong, weak, below = values(5), values(0.3), values(-5)
    found = intervals(
        {("a", "faithful"): [strong, weak], ("b", "faithful"): [strong, below], ("c", "object"): [strong]}
    )
    assert found["c", "object"][0][1] > 0
    level = 0.05 / 2  # after the one that passes
    for name, other in (("a", weak), ("b", below)):
        ends = stats.t.interval(1 - level, 19, other.mean(), stats.sem(other))
        assert found[name, "faithful"][1] == pytest.approx((other.mean(), *ends))
    assert found["a", "faithful"][1][1] < 0
    assert found["b", "faithful"][1][2] < 0


def test_images_without_a_map_are_left_out_and_a_test_without_values_passes_nothing():
    known = values(5)
    found = intervals({("a", "object"): [np.append(known, np.nan)], ("b", "object"): [np.full(3, np.nan)]})
    assert found["a", "object"][0][0] == pytest.approx(5)
    assert not found["b", "object"][0][1] > 0


def test_maps_that_pass_nothing_pass_falsely_in_about_5_percent_of_networks():
    rng, networks = np.random.default_rng(0), 1000
    false = sum(
        any(
            ends[0][1] > 0
            for ends in intervals({(str(each), "object"): [rng.standard_normal(30)] for each in range(12)}).values()
        )
        for _ in range(networks)
    )
    assert false / networks < 0.025 + 4 * (0.025 * 0.975 / networks) ** 0.5  # one side of 5 %
