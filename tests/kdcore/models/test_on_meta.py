import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.models import zoo
from kdcore.models.on_meta import on_meta


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "convnext_atto", "torchvision/resnet18"])
def test_a_network_without_values_has_the_parameters_of_one_with_them(name):
    side = zoo.default_image_size(name)
    real, shapes = zoo.create(name, 10, side), zoo.without_values(name, 10, side)
    assert {key: value.shape for key, value in shapes.state_dict().items()} == {
        key: value.shape for key, value in real.state_dict().items()
    }
    assert all(value.is_meta for value in shapes.parameters())
    assert [each.requires_grad for each in shapes.parameters()] == [each.requires_grad for each in real.parameters()]


def test_initialising_is_left_out_on_the_meta_device_alone():
    with on_meta():
        weights = torch.empty(3, 4)
        assert nn.init.trunc_normal_(weights) is weights
        real = torch.zeros(2, device="cpu")
        assert torch.equal(real.add_(1), torch.ones(2, device="cpu"))
    assert torch.equal(torch.zeros(2).add_(1), torch.ones(2))


def test_a_network_whose_widths_are_tensors_is_built_too():
    assert all(each.is_meta for each in zoo.without_values("regnetx_002", 10, 32).parameters())


def test_its_outputs_have_the_shapes_of_real_ones():
    hollow = models.shapes_only("resnet20", classes=10, image_size=32)
    real = zoo.create("resnet20", 10, 32)
    outputs = real(torch.zeros(2, 3, 32, 32))
    assert hollow(torch.empty(2, 3, 32, 32, device="meta")).logits.shape == outputs.shape
