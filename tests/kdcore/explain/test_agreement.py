import math

import numpy as np
import pytest

from kdcore.explain.agreement import agreement, pool

ROW = np.arange(10, dtype=np.float32)[None]  # 1 x 10 cells, so the top 20 % are two


def test_a_map_agrees_with_itself_whatever_its_scale():
    found = agreement(ROW, 7 * ROW)
    assert found == pytest.approx({"cosine": 1, "spearman": 1, "js": 0, "iou@20": 1})


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
    assert found == pytest.approx({"cosine": 1, "spearman": 1, "js": 0, "iou@20": 1})
    assert agreement(np.ones((4, 2)) * [[1, 2]], np.ones((2, 4)) * [[1, 1, 2, 2]])["cosine"] == pytest.approx(1)


def test_pooling_keeps_the_sum_where_cells_are_cut():
    heatmap = np.random.default_rng(0).random((14, 14))
    np.testing.assert_allclose(pool(heatmap, (8, 8)).sum(), heatmap.sum())
    np.testing.assert_allclose(pool(np.array([[1.0, 2.0, 3.0]]), (1, 2)), [[2.0, 4.0]])
    np.testing.assert_array_equal(pool(heatmap, (14, 14)), heatmap)


@pytest.mark.parametrize("nothing", [np.zeros((4, 4)), np.full((4, 4), 0.25), np.full((4, 4), np.nan), -np.eye(4)])
def test_undefined_where_a_map_says_nothing(nothing):
    for found in (agreement(nothing, np.eye(4)), agreement(np.eye(4), nothing)):
        assert list(found) == ["cosine", "spearman", "js", "iou@20"]
        assert all(math.isnan(value) for value in found.values())


def test_a_grid_of_one_cell_says_nothing():
    assert math.isnan(agreement(np.ones((1, 1)), np.eye(4))["cosine"])
