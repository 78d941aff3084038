"""The energy of feature maps: by hand, against autograd, and in narrow types."""

import pytest
import torch

from kdcore.tensors.energy import energy


def test_worked_by_hand():
    features = torch.tensor([[[[1.0, -2.0]], [[-3.0, 0.0]]]])
    assert energy(features).tolist() == [[[(1 + 9) / 2, 4 / 2]]]
    assert energy(features, power=4).tolist() == [[[(1 + 81) / 2, 16 / 2]]]


@pytest.mark.parametrize("power", [2, 3])
def test_its_gradient_is_the_numerical_one(power):
    features = torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: energy(x, power=power), features)


def test_places_without_any_activation_have_energy_and_gradient_0():
    features = torch.zeros(1, 4, 2, 2, requires_grad=True)
    energy(features).sum().backward()
    assert features.grad.tolist() == torch.zeros(1, 4, 2, 2).tolist()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_narrow_features_are_added_up_in_float32(layout):
    narrow = torch.randn(2, 1000, 3, 3).bfloat16().to(memory_format=layout).requires_grad_()
    wide = narrow.detach().float().requires_grad_()
    found, wanted = energy(narrow), wide.square().mean(dim=1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ways = torch.rand(2, 3, 3)
    (found * ways).sum().backward()
    (wanted * ways).sum().backward()
    assert narrow.grad.is_contiguous(memory_format=layout)
    torch.testing.assert_close(narrow.grad.float(), wide.grad, rtol=2**-7, atol=0)  # of two roundings to bfloat16
