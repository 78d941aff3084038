"""What one patch attends to, or resembles."""

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.maps.occlusion import covered
from kdcore.explain.maps.self_similarity import self_similarity
from kdcore.explain.reading.attention import attention_of

from .conftest import build, images_for


@pytest.mark.parametrize("kind", ["vit", "registers", "torchvision_vit"])
def test_a_vit_gives_the_rows_of_its_attention(model, kind):
    network = model(kind)
    images, prefix = images_for(network), network.prefix_tokens
    _, layers = attention_of(network, images, lambda heads: heads)
    found, grid = explain.affinity(network, images, layer=1, head=0)
    np.testing.assert_allclose(found, layers[1][:, 0, prefix:, prefix:], rtol=1e-5)
    row = found[:, 1 * grid[1] + 2].reshape(2, *grid)
    heatmap = explain.heatmap(network, images, "patch_attention", layer=1, head=0, query=(1, 2))
    np.testing.assert_allclose(heatmap, row / row.sum(axis=(1, 2), keepdims=True), rtol=1e-5)


def test_a_cnn_gives_the_similarity_to_each_place(model):
    network = model("our_cnn")
    found, grid = explain.affinity(network, images_for(network), layer=1)
    assert found.shape == (2, grid[0] * grid[1], grid[0] * grid[1])
    assert grid == network.shapes().features[1][1:]
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1, rtol=1e-5)
    assert found.min() >= 0


@pytest.mark.parametrize("map_name", ["patch_attention", "self_similarity"])
def test_a_patch_that_is_not_there_is_refused(model, map_name):
    network = model("vit")
    _, rows, _ = network.shapes().features[-1]
    with pytest.raises(
        ValueError, match=rf"There is no patch \({rows}, 0\): this map has rows 0 to {rows - 1} and columns 0 to"
    ):
        explain.heatmap(network, images_for(network), map_name, query=(rows, 0))


def test_self_similarity_worked_by_hand():
    features = torch.tensor([[[[3.0, 0.0, -3.0]], [[4.0, 2.0, -4.0]]]])  # (3, 4), (0, 2), (-3, -4)
    expected = torch.tensor([[[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    torch.testing.assert_close(self_similarity(features), expected)


def test_covering_takes_one_cell_at_a_time_and_leaves_the_rest():
    image = torch.rand(3, 8, 8)
    parts = covered(image, (2, 2))
    assert parts.shape == (4, 3, 8, 8)
    changed = (parts != image).any(dim=1)
    assert changed.sum(dim=(1, 2)).tolist() == [16] * 4
    assert changed[1, :4, 4:].all()  # the second cell of the first row


def test_occlusion_points_to_the_only_patch_that_the_network_reads():
    network = build("our_cnn")
    with torch.no_grad():  # the first layer sees red alone, and only one corner of the picture is red
        for parameter in network.parameters():
            parameter.copy_(parameter.abs())
        network.net.head.weight.zero_()
        network.net.head.weight[2] = 1e-3
    images = torch.zeros(1, 3, 32, 32)
    images[:, :, 24:, 24:] = 1
    found = explain.heatmap(network, images, "occlusion", target=torch.tensor([2]))
    assert np.unravel_index(found[0].argmax(), found[0].shape) >= (found.shape[1] * 3 // 4 - 1,) * 2
