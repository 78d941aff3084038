import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.cat_kd import CATKD, cat_kd_loss
from kdcore.tensors.outputs import Shapes

CNN = Shapes(classes=3, pooled=4, features=((4, 4, 4),), attention=(), dense=(4, 4))
VIT = Shapes(classes=3, pooled=4, features=((4, 4, 4),), attention=(), tokens=True)


def authors(student, teacher, resolution, normalise):
    """GzyAftermath/CAT-KD, mdistiller/distillers/CAT_KD.py, CAT_loss: normalised by the norm over both sides of the grid."""
    pooled = [F.adaptive_avg_pool2d(each, (resolution, resolution)) for each in (student, teacher)]
    if normalise:
        pooled = [each / each.norm(dim=(2, 3), keepdim=True).clamp(min=1e-12) for each in pooled]
    return ((pooled[0] - pooled[1]) ** 2).mean()


def test_value_worked_by_hand():
    student = torch.tensor([[[[3.0, 0.0], [4.0, 0.0]]]])  # (0.6, 0, 0.8, 0) after scaling to length 1
    teacher = torch.tensor([[[[0.0, 0.0], [2.0, 0.0]]]])  # (0, 0, 1, 0)
    torch.testing.assert_close(cat_kd_loss(student, teacher), torch.tensor((0.6**2 + 0.2**2) / 4))
    torch.testing.assert_close(cat_kd_loss(student, teacher, normalise=False), torch.tensor((9.0 + 4.0) / 4))


@pytest.mark.parametrize(("resolution", "normalise"), [(2, True), (1, False), (4, True)])
def test_agrees_with_the_authors_code(agree, resolution, normalise):
    teacher = torch.randn(4, 5, 8, 8)
    agree(
        lambda student: cat_kd_loss(student, teacher, resolution=resolution, normalise=normalise),
        lambda student: authors(student, teacher, resolution, normalise),
        torch.randn(4, 5, 4, 4),
    )


def test_normalised_maps_ignore_the_scale_of_either_network():
    student, teacher = torch.randn(4, 5, 4, 4), torch.randn(4, 5, 8, 8)
    torch.testing.assert_close(cat_kd_loss(7 * student, teacher / 3), cat_kd_loss(student, teacher))


def test_a_map_of_zeros_has_a_finite_gradient():
    student = torch.zeros(2, 3, 4, 4, requires_grad=True)
    cat_kd_loss(student, torch.randn(2, 3, 4, 4)).backward()
    assert student.grad.isfinite().all()
    assert not math.isnan(student.grad.sum().item())


def test_networks_without_class_activation_maps_are_refused():
    with pytest.raises(ValueError, match="the teacher has no class activation maps.* Use a CNN .* as the teacher"):
        CATKD(CNN, VIT)
    with pytest.raises(ValueError, match="the student has no class activation maps"):
        CATKD(VIT, CNN)
    with pytest.raises(ValueError, match="resolution 0 is below 1"):
        CATKD(CNN, CNN, resolution=0)
