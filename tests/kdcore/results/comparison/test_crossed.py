import numpy as np
import pytest
from scipy import stats

from kdcore.results.comparison.crossed import Crossed, of_images, of_means


def test_mean_squares_worked_by_hand():
    # rows are seeds, columns images: means 1/2, 1/4, 0 and 2/3, 1/3, 0, 0; grand mean 1/4
    values = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    found = of_images(values)
    seed, image = 4 * 2 * 0.25**2 / 2, 3 * (5 / 12) ** 2 + 3 * (1 / 12) ** 2 + 3 * 2 * 0.25**2
    image /= 3
    rest = (12 * 0.25 * 0.75 - 2 * seed - 3 * image) / 6
    assert found.mean == 0.25
    assert found.images == pytest.approx((image - rest) / 12)
    assert found.seeds == pytest.approx(max(seed, rest) / 12)
    assert found.free == 2


@pytest.mark.parametrize("quantile, alike", [(0.59, True), (0.61, False)])
def test_seeds_count_as_alike_up_to_the_same_quantile_in_narrower_intervals(quantile, alike):
    normal, student = 0.8416, 1.0607  # of which a fifth is beyond, Student's with two degrees of freedom
    found = Crossed(0.1, images=1e-4, seeds=1e-4, free=2, quantile=quantile)
    assert found.critical(0.2) == pytest.approx(normal if alike else (normal + student) / 2, abs=1e-4)


def test_without_luck_of_the_seeds_it_is_the_t_interval_of_the_images():
    d = np.repeat(np.random.default_rng(0).choice([-1, 0, 0, 1], 400)[None], 3, axis=0)  # seeds that are alike
    low, high = of_images(d).interval()
    expected = stats.norm.interval(0.95, d[0].mean(), d[0].std(ddof=1) / 20)
    assert (low, high) == pytest.approx(expected)


def test_where_seeds_vary_much_it_is_student_s_interval_over_their_means():
    values = np.full((3, 10_000), -1.0)
    for row, right in zip(values, (4000, 5000, 6000), strict=True):
        row[np.random.default_rng(right).permutation(10_000)[:right]] = 1
    low, high = stats.t.interval(0.95, 2, 0, 0.2 / 3**0.5)
    assert of_images(values).interval() == pytest.approx((low, high), abs=0.01)


def test_equal_gaps_of_different_images_keep_the_luck_of_the_images():
    """Three seeds with exactly the same difference, on different images each: Student's interval has no width."""
    d = np.zeros((3, 300))
    for row, start in zip(d, (0, 100, 200), strict=True):
        row[start : start + 20], row[start + 20 : start + 30] = 1, -1
    low, high = of_images(d).interval()
    assert high - low > 0.04  # 2 x 1.96 x sqrt(30 / 300 / 900) = 0.041 from 900 images
    assert (low + high) / 2 == pytest.approx(10 / 300)


def test_the_interval_is_at_least_as_wide_as_the_images_alone_make_it():
    random = np.random.default_rng(3)
    for _ in range(50):
        d = random.choice([-1, 0, 0, 0, 1], (3, 100))
        low, high = of_images(d).interval()
        of_columns = d.mean(axis=0).std(ddof=1) / 10
        assert high - low >= 2 * 1.9599 * of_columns


def test_two_parts_weight_two_critical_values():
    # Cochran and Cox: (1 x 1.960 + 1 x 4.303) / 2 with two degrees of freedom, from printed tables
    assert Crossed(0, 1e-4, 1e-4, 2).critical(0.025) == pytest.approx((1.959964 + 4.302653) / 2, abs=1e-6)
    assert Crossed(0, 1e-4, 1e-4, None).critical(0.025) == pytest.approx(1.959964, abs=1e-6)


def test_seeds_count_as_alike_less_easily_the_rarer_an_error_may_be():
    found = Crossed(0, 0, 1e-4, 2, quantile=0.3)  # 30 % of seeds without an effect vary less than these
    assert found.critical(0.025) == pytest.approx(1.959964, abs=1e-6)
    assert found.critical(0.025 / 12) == pytest.approx(stats.t.isf(0.025 / 12, 2))


def test_the_quantile_of_the_seeds_mean_square():
    d = np.random.default_rng(5).choice([-1, 0, 0, 1], (3, 300))
    means, seed = d.mean(axis=1), 300 * d.mean(axis=1).var(ddof=1)
    rest = ((d - means[:, None] - d.mean(axis=0) + d.mean()) ** 2).sum() / (2 * 299)
    assert of_images(d).quantile == pytest.approx(stats.chi2.cdf(2 * seed / rest, 2))


@pytest.mark.parametrize("mean", [0.002, 0.01, 0.03, 0.3, -0.02])
def test_p_is_the_level_at_which_the_interval_touches_zero(mean):
    found = Crossed(mean, 1e-4, 2e-5, 4)
    low, high = found.interval(found.p)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)


def test_no_p_is_left_of_a_difference_beyond_all_luck():
    assert Crossed(0.9, 1e-12, 1e-12, None).p == 0


def test_without_single_images_the_variance_of_a_run_s_images_is_added_to_that_of_the_seeds():
    found = of_means([0.010, 0.011, 0.012], [0.05, 0.05, 0.05], 1000)
    assert (found.images, found.seeds) == pytest.approx((5e-5, 1e-6 / 3))
    low, high = found.interval()
    assert low < 0 < high  # Student's over the seeds alone gives +0.9 to +1.3 points
