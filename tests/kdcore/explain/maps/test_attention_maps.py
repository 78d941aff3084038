"""cls_attention and rollout against attention that the network itself computed in the open."""

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.maps.rollout import rollout
from kdcore.explain.reading.attention import attention_of

from ..conftest import images_for


def test_rollout_of_hand_built_attention():
    first = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    second = torch.tensor([[0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    # with I and rows to 1: A'1 = [[.5 .5 0] [0 .5 .5] [.5 0 .5]], row 0 of A'2 = [.5 .25 .25]
    # row 0 of A'2 A'1 = .5 (.5 .5 0) + .25 (0 .5 .5) + .25 (.5 0 .5) = (.375 .375 .25)
    torch.testing.assert_close(rollout([first[None], second[None]]), torch.tensor([[0.375, 0.375, 0.25]]))


def test_rollout_is_row_0_of_the_full_product():
    attention = [torch.rand(2, 5, 5).softmax(dim=2) for _ in range(4)]
    product = torch.eye(5)
    for layer in attention:
        mixed = layer + torch.eye(5)
        product = mixed / mixed.sum(dim=2, keepdim=True) @ product
    torch.testing.assert_close(rollout(attention), product[:, 0])


def attention_in_the_open(network, images) -> list[torch.Tensor]:
    """[B, h, N, N] a block, from timm's own unfused path."""
    seen = []
    for block in network.net.blocks:
        block.attn.fused_attn = False
    handles = [b.attn.attn_drop.register_forward_hook(lambda m, i, o: seen.append(o)) for b in network.net.blocks]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for block in network.net.blocks:
        block.attn.fused_attn = True
    return seen


@pytest.mark.parametrize("kind", ["vit", "distilled", "registers", "rotary", "our_vit"])
def test_the_same_as_unfused_attention(model, kind):
    network = model(kind)
    images = images_for(network)
    grid = network.shapes().attention[-1][1:]
    expected = attention_in_the_open(network, images)

    _, found = attention_of(network, images, lambda heads: heads.mean(dim=1))
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(one, wanted.mean(dim=1))

    for layer, attention in enumerate(expected):
        row = attention[:, :, 0, network.prefix_tokens :].unflatten(2, grid)
        for head, wanted in ((None, row.mean(dim=1)), (1, row[:, 1])):
            wanted = wanted / wanted.sum(dim=(1, 2), keepdim=True)
            maps = explain.heatmap(network, images, "cls_attention", layer=layer, head=head)
            np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-7)


def test_torchvisions_attention_is_what_its_module_returns(model):
    network = model("torchvision_vit")
    images = images_for(network)
    tokens: list[torch.Tensor] = []
    layers = network.net.encoder.layers
    handles = [layer.ln_1.register_forward_hook(lambda m, i, o: tokens.append(o)) for layer in layers]
    with torch.no_grad():
        network(images)
        for handle in handles:
            handle.remove()
        expected = [
            layer.self_attention(t, t, t, need_weights=True)[1] for layer, t in zip(layers, tokens, strict=True)
        ]
    _, found = attention_of(network, images, lambda heads: heads.mean(dim=1))
    for one, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(one, wanted, rtol=1e-4, atol=1e-6)
    wanted = rollout(expected)[:, 1:].unflatten(1, (4, 4))
    maps = explain.heatmap(network, images, "rollout")
    np.testing.assert_allclose(maps, wanted / wanted.sum(dim=(1, 2), keepdim=True), rtol=1e-4)
