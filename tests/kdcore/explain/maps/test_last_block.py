"""The shortened last block against timm's whole one."""

import pytest
import timm
import torch

from kdcore import explain
from kdcore.explain.base import MapOptions
from kdcore.explain.reading.activations import activations_and_gradients
from kdcore.explain.reading.last_block import only_tokens_are_read, shortened

from ..conftest import build, images_for


@pytest.mark.parametrize("kind", ["vit", "distilled", "our_vit"])
def test_the_same_output_and_gradient_as_the_whole_block(kind):
    network = build(kind).requires_grad_(False)
    images, target = images_for(network), torch.tensor([1, 3])
    assert only_tokens_are_read(network.net)
    logits, activations, gradients = activations_and_gradients(network, images, MapOptions(target=target))

    seen: list[torch.Tensor] = []
    norm = network.net.blocks[-1].norm1
    with norm.register_forward_hook(lambda m, i, o: seen.append(o.requires_grad_())):
        whole = network(images).logits
    (wanted,) = torch.autograd.grad(whole.gather(1, target[:, None]).sum(), seen[0])
    grid = network.shapes().features[-1][1:]
    for each, reference in ((activations, seen[0].detach()), (gradients, wanted)):
        patches = reference[:, network.prefix_tokens :].transpose(1, 2).unflatten(2, grid)
        torch.testing.assert_close(each, patches, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(logits, whole)


@pytest.mark.parametrize(
    "name, options",
    [
        ("test_vit", {"global_pool": "avg"}),
        ("test_vit", {"global_pool": "map", "class_token": False}),
        ("test_vit3", {}),
        ("test_resnet", {}),
    ],
)
def test_not_where_the_patches_are_read_too(name, options):
    assert not only_tokens_are_read(timm.create_model(name, **options))


def test_the_block_is_whole_again_after_an_error():
    network = build("vit").requires_grad_(False)

    def fails(tokens: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), shortened(network.net, start=fails):
        network(images_for(network))
    assert "forward" not in vars(network.net.blocks[-1])
    assert explain.heatmap(network, images_for(network), "cls_attention").max() < 1
