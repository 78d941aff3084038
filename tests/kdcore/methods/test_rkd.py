import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.rkd import cosines, differences, rkd_loss


def mdistiller(f_s, f_t, distance_weight, angle_weight):
    """megvii-research/mdistiller, mdistiller/distillers/RKD.py, rkd_loss with squared=False, eps=1e-12."""

    def distances(e):
        square = e.pow(2).sum(dim=1)
        d = (square.unsqueeze(1) + square.unsqueeze(0) - 2 * e @ e.t()).clamp(min=1e-12).sqrt()
        d = d * (1 - torch.eye(len(e)))
        return d / d[d > 0].mean()

    def angles(e):
        direction = F.normalize(e.unsqueeze(0) - e.unsqueeze(1), p=2, dim=2)
        return torch.bmm(direction, direction.transpose(1, 2)).view(-1)

    loss_d, loss_a = F.smooth_l1_loss(distances(f_s), distances(f_t)), F.smooth_l1_loss(angles(f_s), angles(f_t))
    return distance_weight * loss_d + angle_weight * loss_a


def test_distances_worked_by_hand():
    student = torch.tensor([[0.0], [1.0], [3.0]])  # 1, 2, 3; over their mean 1/2, 1, 3/2
    teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])  # all 1
    gaps = [0.5, 0.0, 0.5]  # each counted twice among nine
    expected = 2 * sum(gap**2 / 2 for gap in gaps) / 9
    loss = rkd_loss(student, teacher, distance_weight=1.0, angle_weight=0.0)
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_angles_worked_by_hand():
    corner = cosines(differences(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])))
    assert corner[0, 1, 2].item() == pytest.approx(0, abs=1e-6)  # a right angle at the first
    assert corner[1, 0, 2].item() == pytest.approx(math.sqrt(0.5))  # 45 degrees at the second
    assert corner[1, 2, 2].item() == pytest.approx(1)


@pytest.mark.parametrize(("distance", "angle"), [(25.0, 50.0), (1.0, 0.0), (0.0, 1.0)])
def test_agrees_with_mdistiller(agree, distance, angle):
    teacher = torch.randn(8, 12)
    agree(
        lambda student: rkd_loss(student, teacher, distance_weight=distance, angle_weight=angle),
        lambda student: mdistiller(student, teacher, distance, angle),
        torch.randn(8, 6),
    )


def test_is_zero_for_equal_vectors_and_ignores_place_scale_and_rotation():
    student, teacher = torch.randn(6, 4), torch.randn(6, 9)
    assert rkd_loss(teacher, teacher) == 0
    turn = torch.linalg.qr(torch.randn(4, 4)).Q
    torch.testing.assert_close(
        rkd_loss(5 * student @ turn + 2, teacher), rkd_loss(student, teacher), rtol=1e-4, atol=1e-4
    )


def test_images_that_fall_together_have_a_finite_gradient():
    student = torch.randn(5, 4)
    student[1] = student[0]
    for leaf in (student.requires_grad_(), torch.zeros(5, 4, requires_grad=True)):
        loss = rkd_loss(leaf, torch.randn(5, 3))
        loss.backward()
        assert loss.isfinite()
        assert leaf.grad.abs().max() < 1e4
