"""Packed layers against PyTorch's own."""

import copy

import pytest
import torch
from torch import nn

from kdcore.models.packing import PackedConvolution, PackedLinear, pack

SHAPES = [  # channels in and out, kernel, and how
    (3, 16, 7, {"stride": 2, "padding": 3}),
    (16, 32, 1, {"bias": False}),
    (16, 16, 3, {"padding": 1, "groups": 16}),
    (16, 24, (3, 1), {"padding": (1, 0), "dilation": (2, 1), "stride": (1, 2)}),
]


@pytest.mark.parametrize("inside, outside, kernel, how", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@torch.no_grad()
def test_the_same_for_images_of_any_shape_one_after_another(inside, outside, kernel, how, dtype, tolerance):
    plain = nn.Conv2d(inside, outside, kernel, **how).to(dtype=dtype, memory_format=torch.channels_last)
    packed = nn.Sequential(copy.deepcopy(plain))
    pack(packed)
    assert type(packed[0]) is PackedConvolution
    for shape in ((1, inside, 28, 28), (1, inside, 28, 28), (3, inside, 20, 32), (1, inside, 28, 28)):
        images = torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(packed(images), plain(images), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@torch.no_grad()
def test_a_linear_layer_too_whatever_the_number_of_rows(bias, dtype, tolerance):
    plain = nn.Linear(48, 20, bias=bias).to(dtype)
    packed = nn.Sequential(copy.deepcopy(plain))
    pack(packed)
    assert type(packed[0]) is PackedLinear
    for shape in ((1, 17, 48), (5, 48), (2, 3, 17, 48), (1, 48)):
        tokens = torch.randn(shape, dtype=dtype)
        torch.testing.assert_close(packed(tokens), plain(tokens), atol=tolerance, rtol=tolerance)


def test_a_gradient_goes_through_as_it_did():
    plain = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    packed = nn.Sequential(copy.deepcopy(plain))
    pack(packed)
    found = []
    for convolution in (plain, packed):
        images = torch.ones(1, 3, 8, 8, requires_grad=True)
        (gradient,) = torch.autograd.grad(convolution(images).square().sum(), images)
        found.append(gradient)
    torch.testing.assert_close(found[0], found[1])


def test_convolutions_of_another_kind_stay_what_they_are():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"))
    pack(net)
    assert [type(layer) for layer in net] == [nn.Conv2d, nn.Conv2d]
