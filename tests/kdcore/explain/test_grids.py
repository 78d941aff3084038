import math

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.grids import coarser, entropy, pool_affinity


def test_entropy_worked_by_hand():
    assert entropy(np.full((4, 4), 0.3)) == pytest.approx(1)
    assert entropy(np.eye(4)[:1]) == 0
    assert entropy(np.array([[0.5, 0.5], [0, 0]])) == pytest.approx(0.5)  # ln 2 / ln 4
    assert math.isnan(entropy(np.full((2, 2), np.nan)))
    assert math.isnan(entropy(np.zeros((2, 2))))


def test_a_grid_is_made_coarser_in_whole_cells_where_it_can_be():
    assert coarser((8, 8)) == (8, 8)
    assert coarser((14, 14)) == (14, 14)
    assert coarser((56, 28)) == (14, 14)
    assert coarser((32, 16)) == (8, 8)
    assert coarser((37, 37)) == (14, 14)  # a prime number: cells are cut


def test_pooling_an_affinity_worked_by_hand():
    affinity = np.arange(16.0).reshape(4, 4)  # 4 patches in a row
    summed = np.array([[1, 5], [9, 13], [17, 21], [25, 29]])  # over columns; then the mean of each two rows
    expected = (summed[::2] + summed[1::2]) / 2
    np.testing.assert_allclose(pool_affinity(affinity, (1, 4), (1, 2)), expected)


def test_pooling_keeps_the_sum_of_each_row():
    affinity = np.random.default_rng(0).dirichlet(np.ones(37 * 37), 37 * 37)
    found = pool_affinity(affinity, (37, 37), (14, 14))
    assert found.shape == (196, 196)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-9)


def test_every_layer_and_head_is_the_same_as_alone(model):
    for kind, map_name in (
        ("our_vit", "cls_attention"),
        ("our_vit", "patch_attention"),
        ("our_cnn", "grad_cam"),
        ("our_vit", "rollout"),
    ):
        network, images = model(kind), torch.rand(2, 3, 32, 32)
        layers, heads = explain.layers_and_heads(network, map_name)
        found = explain.every_map(network, images, map_name)
        assert len(found) == max(layers, 1)
        for layer, maps in enumerate(found):
            assert maps.shape[:2] == (len(images), max(heads, 1))
            for head in range(maps.shape[1]):
                place = ({"layer": layer} if layers else {}) | ({"head": head} if heads else {})
                alone = explain.explain(network, images, map_name, **place).heatmaps
                np.testing.assert_allclose(maps[:, head], alone, rtol=1e-4, atol=1e-7)


def test_affinity_of_a_fine_grid_is_pooled_to_what_a_page_can_hold(model):
    images = torch.rand(2, 3, 32, 32)
    for kind in ("our_vit", "our_cnn"):
        fine, grid = explain.affinity(model(kind), images, layer=0)
        coarse, small = explain.affinity(model(kind), images, layer=0, largest=4)
        assert max(small) <= 4 < max(grid)
        assert coarse.shape == (len(images), small[0] * small[1], small[0] * small[1])
        assert fine.shape[1] == grid[0] * grid[1]
