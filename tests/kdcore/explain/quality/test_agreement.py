import math

import numpy as np
import pytest
from scipy import stats

from kdcore.explain.grids import pool
from kdcore.explain.quality.agreement import (
    METRICS,
    Controlled,
    agreement,
    other_images,
    share_with_interval,
    ssim,
    with_controls,
    with_interval,
)
from kdcore.explain.quality.localization import centre_prior

ROW = np.arange(10, dtype=np.float32)[None]  # 1 x 10 cells, so the top 20 % are two


def test_a_map_agrees_with_itself_whatever_its_scale():
    found = agreement(ROW, 7 * ROW)
    expected = {"cosine": 1, "centred": 1, "spearman": 1, "js": 0, "iou@20": 1}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert math.isnan(found["ssim"])  # one row of cells is less than its window


def test_values_worked_by_hand():
    a, b = np.array([[3.0, 1.0]]), np.array([[1.0, 3.0]])
    found = agreement(a, b)
    assert found["cosine"] == pytest.approx(6 / 10)
    assert found["spearman"] == pytest.approx(-1)
    # p = (3/4, 1/4), q = (1/4, 3/4), middle (1/2, 1/2): each is 3/4 ln 3/2 + 1/4 ln 1/2 away
    assert found["js"] == pytest.approx(0.75 * math.log(1.5) - 0.25 * math.log(2))
    assert found["iou@20"] == 0


def test_maps_that_share_nothing():
    found = agreement(np.array([[1.0, 2.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 2.0, 1.0]]))
    assert found["cosine"] == 0
    assert found["js"] == pytest.approx(math.log(2))


def test_top_cells_are_counted_and_the_first_of_equals_wins():
    one_further = np.array([[0.0, 1, 2, 3, 4, 5, 6, 9, 8, 7]])  # its largest are the cells 7 and 8, ROW's 8 and 9
    assert agreement(ROW, one_further)["iou@20"] == pytest.approx(1 / 3)
    flat_top = np.array([[5.0, 5, 5, 5, 5, 0, 0, 0, 0, 0]])
    assert agreement(flat_top, np.array([[9.0, 8, 0, 0, 0, 0, 0, 0, 0, 0]]))["iou@20"] == 1


def test_spearman_averages_ties():
    a, b = np.array([[1.0, 2.0, 2.0, 4.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    # ranks (1, 2.5, 2.5, 4) against (1, 2, 3, 4): covariance 4.5, variances 4.5 and 5
    assert agreement(a, b)["spearman"] == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_both_go_to_the_coarser_grid():
    fine = np.kron(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((7, 7)))
    found = agreement(fine, np.array([[1.0, 2.0], [3.0, 4.0]]))
    expected = {"cosine": 1, "centred": 1, "spearman": 1, "js": 0, "iou@20": 1}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert math.isnan(found["ssim"])  # one row of cells is less than its window
    assert agreement(np.ones((4, 2)) * [[1, 2]], np.ones((2, 4)) * [[1, 1, 2, 2]])["cosine"] == pytest.approx(1)


def test_pooling_keeps_the_sum_where_cells_are_cut():
    heatmap = np.random.default_rng(0).random((14, 14))
    np.testing.assert_allclose(pool(heatmap, (8, 8)).sum(), heatmap.sum())
    np.testing.assert_allclose(pool(np.array([[1.0, 2.0, 3.0]]), (1, 2)), [[2.0, 4.0]])
    np.testing.assert_array_equal(pool(heatmap, (14, 14)), heatmap)


@pytest.mark.parametrize("nothing", [np.zeros((4, 4)), np.full((4, 4), 0.25), np.full((4, 4), np.nan), -np.eye(4)])
def test_undefined_where_a_map_has_no_contrast(nothing):
    for found in (agreement(nothing, np.eye(4)), agreement(np.eye(4), nothing)):
        assert list(found) == list(METRICS)
        assert all(math.isnan(value) for value in found.values())


def test_undefined_on_a_grid_of_one_cell():
    assert math.isnan(agreement(np.ones((1, 1)), np.eye(4))["cosine"])


def ssim_by_loops(one, other):
    """Equation 13 of Wang et al. over every window of 3 x 3 cells, variances with n - 1."""
    found = []
    for row in range(one.shape[0] - 2):
        for column in range(one.shape[1] - 2):
            a, b = (m[row : row + 3, column : column + 3].ravel() for m in (one, other))
            both = np.cov(a, b)
            luminance = (2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)
            found.append(luminance * (2 * both[0, 1] + 9e-4) / (both[0, 0] + both[1, 1] + 9e-4))
    return np.mean(found)


def test_ssim_is_the_papers_over_every_window():
    random = np.random.default_rng(0)
    one, other = random.random((6, 5)), random.random((6, 5))
    assert ssim(one, other) == pytest.approx(ssim_by_loops(one, other))
    assert ssim(one, one) == pytest.approx(1)


def test_centred_is_pearsons_correlation():
    random = np.random.default_rng(1)
    one, other = random.random((4, 4)), random.random((4, 4))
    assert agreement(one, other)["centred"] == pytest.approx(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def blobs(places, side=8):
    rows, columns = np.mgrid[:side, :side]
    return np.stack([np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 4) for r, c in places])


def test_agreement_that_survives_shuffling_is_no_gain():
    places = np.random.default_rng(2).integers(0, 8, (40, 2))
    middle = blobs([(3.5, 3.5)])[0]
    followed = with_controls(blobs(places), blobs(places), middle)
    assert followed["cosine"].paired == pytest.approx(1)
    assert followed["cosine"].gain[1] > 0.3  # the interval's low end
    # both always look at the middle: they agree, and as much when the images are mixed up
    centred = with_controls(blobs([(3.5, 3.5)] * 40), blobs([(3.5, 3.5)] * 40), middle)
    assert centred["cosine"].paired == centred["cosine"].shuffled == pytest.approx(1)
    assert centred["cosine"].centre == pytest.approx(1)
    assert centred["cosine"].gain == pytest.approx((0, 0, 0))


def test_the_other_image_is_never_the_same_and_follows_no_order_of_the_classes():
    other = other_images(200)
    assert sorted(other) == list(range(200))
    assert not (other == np.arange(200)).any()
    same_class = other % 10 == np.arange(200) % 10  # a split in which ten classes take turns
    assert 0 < same_class.mean() < 0.25


def test_controls_include_the_untrained_student_and_leave_out_images_without_a_map():
    places = np.random.default_rng(3).integers(0, 8, (10, 2))
    student, untrained = blobs(places), blobs(places[::-1])
    student[4] = np.nan
    found = with_controls(student, blobs(places), blobs([(3.5, 3.5)])[0], untrained)
    assert found["js"].count == 9
    assert found["cosine"].untrained < found["cosine"].paired
    with pytest.raises(ValueError, match="at least 2 images on which both networks have a map, but there is 1"):
        with_controls(student[3:5], blobs(places[3:5]), blobs([(3.5, 3.5)])[0])


def test_an_interval_over_images_is_student_s():
    values = np.array([0.31, 0.12, 0.44, 0.09, 0.27, np.nan])
    found = stats.ttest_1samp(values[:5], 0).confidence_interval(0.95)
    assert with_interval(values) == pytest.approx((0.246, found.low, found.high))


def test_a_single_image_has_no_interval():
    mean, low, high = with_interval(np.array([0.3]))
    assert mean == 0.3
    assert math.isnan(low)
    assert math.isnan(high)


def test_a_share_of_all_images_is_not_certain():
    # Wilson's interval of 10 of 10: 10 / (10 + 1.96^2) = 0.722
    assert share_with_interval(np.ones(10)) == pytest.approx((1, 0.722, 1), abs=1e-3)


@pytest.mark.parametrize(
    ("gain", "count", "sign", "shown"),
    [
        ((0.1, 0.02, 0.18), 5, 1, "more"),
        ((0.1, 0.02, 0.18), 5, -1, "less"),  # a divergence: higher is less agreement
        ((-0.1, -0.18, -0.02), 5, -1, "more"),
        ((0.1, -0.02, 0.22), 5, 1, "open"),
        ((0.1, 0.02, 0.18), 4, 1, "few"),
        ((math.nan, math.nan, math.nan), 5, 1, "nothing"),
    ],
)
def test_what_is_shown_is_read_from_the_interval(gain, count, sign, shown):
    assert Controlled(0.6, 0.5, 0.4, 0.3, gain, count).shown(sign) == shown


def test_a_figure_without_a_value_shows_nothing():
    """SSIM compares windows of 3 x 3 cells; maps of 2 x 2 have none."""
    maps = np.random.default_rng(0).random((2, 6, 2, 2))
    found = with_controls(*maps, centre_prior((2, 2)))
    assert found["ssim"].shown() == "nothing"
    assert found["cosine"].shown() in ("more", "less", "open")
