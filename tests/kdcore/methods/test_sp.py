import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.sp import SP, sp_loss
from kdcore.tensors.outputs import Shapes


def mdistiller(f_s, f_t):
    """megvii-research/mdistiller, mdistiller/distillers/SP.py, similarity_loss; RepDistiller has the same."""
    images = f_s.shape[0]
    f_s, f_t = f_s.view(images, -1), f_t.view(images, -1)
    gap = F.normalize(torch.mm(f_t, f_t.t())) - F.normalize(torch.mm(f_s, f_s.t()))
    return (gap * gap).sum() / (images * images)


def test_value_worked_by_hand():
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # two unlike images
    teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # the same image twice
    expected = torch.tensor(1 - 1 / math.sqrt(2))  # rows (1, 0) and (0, 1) against (1, 1) / sqrt(2)
    torch.testing.assert_close(sp_loss(student, teacher), expected)


def test_agrees_with_mdistiller(agree):
    teacher = torch.randn(8, 5, 4, 4)
    agree(
        lambda student: 3000 * sp_loss(student, teacher),
        lambda student: 3000 * mdistiller(student, teacher),
        torch.randn(8, 3, 2, 2),
    )


def test_ignores_the_scale_of_either_network_and_is_zero_for_equal_features():
    student, teacher = torch.randn(4, 3, 2, 2), torch.randn(4, 5)
    torch.testing.assert_close(sp_loss(7 * student, teacher / 9), sp_loss(student, teacher))
    assert sp_loss(2 * teacher, teacher) < 1e-12


def test_halves_as_the_batch_is_doubled():
    student, teacher = torch.randn(4, 6), torch.randn(4, 5)
    torch.testing.assert_close(sp_loss(student.repeat(2, 1), teacher.repeat(2, 1)), sp_loss(student, teacher) / 2)


def test_an_image_without_any_activation_has_a_finite_gradient():
    student = torch.rand(4, 6)
    student[2] = 0
    student.requires_grad_()
    loss = sp_loss(student, torch.randn(4, 5))
    loss.backward()
    assert loss.isfinite()
    assert student.grad.abs().max() < 1e3


def test_a_network_without_feature_maps_is_refused():
    bare = Shapes(classes=3, pooled=4, features=(), attention=())
    with pytest.raises(ValueError, match="one of the two networks has none. Use pkt or rkd"):
        SP(bare, bare)
