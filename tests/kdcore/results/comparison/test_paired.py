import math

import numpy as np
import pytest
from scipy import stats

from kdcore.results.comparison import conclusion
from kdcore.results.comparison.paired import Paired


def longhand(b, c, n, z):
    """Tango's interval by its definition: the restricted likelihood is maximised on a grid, and every difference tested."""
    shares, inside = np.arange(1, 8000) / 8000, []  # of images that only the second network predicts rightly
    for difference in np.arange(-500, 1000) / 1000:
        p = shares[(shares + difference > 0) & (2 * shares + difference < 1)]
        likelihood = b * np.log(p + difference) + c * np.log(p) + (n - b - c) * np.log(1 - 2 * p - difference)
        second = p[likelihood.argmax()]
        spread = math.sqrt(n * (2 * second + difference * (1 - difference)))
        if abs(b - c - n * difference) <= z * spread:
            inside.append(difference)
    return min(inside), max(inside)


@pytest.mark.parametrize("b, c, n", [(12, 2, 50), (9, 31, 200), (30, 28, 90)])
def test_the_interval_is_that_of_its_definition(b, c, n):
    assert Paired(b, c, n).interval() == pytest.approx(longhand(b, c, n, 1.959964), abs=0.002)


def test_the_published_intervals():
    # Newcombe (1998, Statistics in Medicine 17, 2635), score intervals of pairs that never differ: z^2 / (n + z^2)
    assert Paired(0, 0, 44).interval() == pytest.approx((-0.0803, 0.0803), abs=5e-5)
    assert Paired(0, 0, 30).interval() == pytest.approx((-0.1135, 0.1135), abs=5e-5)


def test_swapped_networks_give_the_mirrored_interval():
    low, high = Paired(3, 14, 80).interval()
    assert Paired(14, 3, 80).interval() == pytest.approx((-high, -low))


@pytest.mark.parametrize("b, c", [(15, 6), (46, 29), (9, 2), (60, 31)])
def test_the_p_value_is_that_of_mcnemar_s_test(b, c):
    assert Paired(b, c, 500).p == pytest.approx(stats.chi2.sf((b - c) ** 2 / (b + c), 1))


def test_the_interval_ends_at_zero_where_p_is_its_level():
    found = Paired(12, 4, 100)
    assert found.interval(found.p)[0] == pytest.approx(0, abs=1e-9)


def test_a_difference_that_is_found_in_80_percent_of_cases():
    # with 100 discordant pairs of 1,000 a difference of 2.8 standard deviations (0.01 each) is found with 80 %
    found = Paired(50, 50, 1000)
    assert found.detectable() == pytest.approx(0.028, abs=1e-4)
    true = found.detectable()
    p = (0.1 + true) / 0.2
    assert stats.binom.sf(50 + 9.8, 100, p) == pytest.approx(0.8, abs=0.05)


def test_interval_and_claim_agree_for_every_small_table(monkeypatch):
    """Every table of up to 40 images, without the floors: an interval leaves out 0 exactly where McNemar's test does."""
    for n in range(1, 41):
        for b in range(n + 1):
            for c in range(n - b + 1):
                low, high = Paired(b, c, n).interval()
                assert low < high
                assert -1 <= low <= (b - c) / n <= high <= 1
                significant = (b - c) ** 2 > 3.841458820694124 * (b + c)
                assert (low > 0 or high < 0) == significant, (b, c, n)


@pytest.mark.parametrize("apart", range(conclusion.LEAST_APART, 60))
def test_above_the_floor_a_claim_is_one_of_the_exact_mid_p_test_too(apart):
    """The two differ where the mid-p value is 0.050 to 0.053: at 15 : 6, 18 : 8 and 21 : 10, below 75 discordant pairs."""
    for b in range((apart + 1) // 2, apart + 1):
        tail = 2 * (stats.binom.sf(b, apart, 0.5) + stats.binom.pmf(b, apart, 0.5) / 2)
        claimed = Paired(b, apart - b, 1000).interval()[0] > 0
        assert claimed == (tail < (0.053 if (b, apart - b) in ((15, 6), (18, 8), (21, 10)) else 0.05))
