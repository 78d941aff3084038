"""The p-values of `benchmarks.agreement` are those of Student's t test."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.agreement import p_value
from kdcore.explain.quality.agreement import Controlled, with_interval


@pytest.mark.parametrize("mean", [-0.05, 0.02])
def test_a_p_value_is_read_from_the_interval(mean):
    differences = mean + np.random.default_rng(0).normal(0, 0.1, 40)
    found = Controlled(0.2, 0.2, 0.1, 0.3, with_interval(differences), 40)
    assert p_value(found) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
