"""Maps that follow the score back through the attention, against plain autograd on attention in the open."""

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain.base import MapOptions
from kdcore.explain.maps.relevance import relevance
from kdcore.explain.maps.rollout import rollout
from kdcore.explain.reading.attention import attention_and_gradients

from ..conftest import build, images_for

KINDS = ("vit", "distilled", "registers", "rotary", "our_vit")


def by_autograd(network, images, target):
    """Attention and its gradient as autograd gives them where the scores are computed in the open."""
    taken = []

    def keep(module, inputs):
        attention = inputs[0] if inputs[0].requires_grad else inputs[0].requires_grad_()
        attention.retain_grad()
        taken.append(attention)
        return (attention,)

    blocks = network.net.blocks
    for block in blocks:
        block.attn.fused_attn = False
    handles = [block.attn.attn_drop.register_forward_pre_hook(keep) for block in blocks]
    network(images).logits[:, target].sum().backward()
    for handle in handles:
        handle.remove()
    for block in blocks:
        block.attn.fused_attn = True
    network.zero_grad()
    return [(attention.detach(), attention.grad) for attention in taken]


@pytest.mark.parametrize("kind", KINDS)
def test_attention_and_its_gradient_are_those_of_autograd(kind):
    network = build(kind)
    images = images_for(network)
    expected = by_autograd(network, images, target=3)
    _, result = attention_and_gradients(network, images, MapOptions(target=torch.tensor([3, 3])))
    assert len(result) == len(expected)
    for (attention, gradient), (wanted, wanted_gradient) in zip(result, expected, strict=True):
        torch.testing.assert_close(attention, wanted, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "registers", "rotary"])
def test_relevance_and_gradient_rollout_as_their_papers_write_them(kind):
    network = build(kind)
    images, prefix = images_for(network), network.prefix_tokens
    layers = by_autograd(network, images, target=3)
    whole = torch.eye(layers[0][0].shape[-1]).expand(2, -1, -1)
    product = whole
    for attention, gradient in layers:  # equations 5 and 6, with the full matrices
        useful = (gradient * attention).clamp(min=0).mean(dim=1)
        whole = whole + useful @ whole
        mixed = useful + torch.eye(useful.shape[-1])
        product = (mixed / mixed.sum(dim=-1, keepdim=True)) @ product
    grid = network.shapes().attention[-1][1:]
    for map_name, matrix in (("relevance", whole), ("gradient_rollout", product)):
        expected = matrix[:, 0, prefix:].unflatten(1, grid)
        expected = expected / expected.sum(dim=(1, 2), keepdim=True)
        result = explain.heatmap(network, images, map_name, target=torch.tensor([3, 3]))
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-6)


def test_relevance_worked_by_hand():
    attention = torch.tensor([[[[0.5, 0.5], [0.5, 0.5]]]])
    gradient = torch.tensor([[[[2.0, 4.0], [-2.0, 2.0]]]])  # useful: 1, 2 / 0, 1
    # one layer: I + A; two: (I + A)(I + A), row 0: (2, 2) @ [[2, 2], [0, 2]]
    torch.testing.assert_close(relevance([(attention, gradient)]), torch.tensor([[2.0, 2.0]]))
    torch.testing.assert_close(relevance([(attention, gradient)] * 2), torch.tensor([[4.0, 8.0]]))


def test_torchvisions_attention_gradient_gives_the_same_map_as_timms():
    """The same weights in both libraries' ViT."""
    network = build("torchvision_vit")
    images = images_for(network)
    _, layers = attention_and_gradients(network, images, MapOptions(target=torch.tensor([1, 1])))
    # a small step along the gradient of the last block's attention must move the score by its square
    block = network.net.encoder.layers[-1].self_attention
    attention, gradient = layers[-1]
    tokens = []
    handle = network.net.encoder.layers[-1].ln_1.register_forward_hook(lambda m, i, o: tokens.append(o))
    with torch.no_grad():
        before = network(images).logits[:, 1].double()
        handle.remove()
        values = torch.nn.functional.linear(tokens[0], block.in_proj_weight, block.in_proj_bias).chunk(3, dim=2)[2]
        values = values.unflatten(2, (block.num_heads, -1)).transpose(1, 2)
        step = 1e-3 / gradient.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        context = ((attention + step * gradient) @ values).transpose(1, 2).flatten(2)
        moved = torch.nn.functional.linear(context, block.out_proj.weight, block.out_proj.bias)
        handle = block.register_forward_hook(lambda m, i, o: (moved, None))
        after = network(images).logits[:, 1].double()
        handle.remove()
    expected = 1e-3 * gradient.square().sum(dim=(1, 2, 3)).sqrt().double()
    torch.testing.assert_close(after - before, expected, rtol=0.05, atol=1e-6)


def test_rollout_of_one_layer_is_its_row_mixed_with_the_residual():
    attention = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]])
    torch.testing.assert_close(rollout([attention]), torch.tensor([[0.6, 0.4]]))
