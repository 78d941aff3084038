import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.nkd import NKD, nkd_loss
from kdcore.tensors.outputs import NO_LABEL, Shapes

TARGETS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])


def cls_kd(logit_s, logit_t, label, gamma, temperature):
    """yzd-v/cls_KD, mmcls/models/dis_losses/nkd.py, NKDLoss (as mended: its first state left the label among the others)."""
    at_label = F.one_hot(label, logit_s.shape[1]).bool()
    loss_t = -(F.softmax(logit_t, 1)[at_label] * F.log_softmax(logit_s, 1)[at_label]).mean()
    others_s = logit_s[~at_label].reshape(len(logit_s), -1)
    others_t = logit_t[~at_label].reshape(len(logit_t), -1)
    said, wanted = F.log_softmax(others_s / temperature, 1), F.softmax(others_t / temperature, 1)
    return loss_t - gamma * temperature**2 * (wanted * said).sum(dim=1).mean()


def test_value_worked_by_hand():
    student = torch.zeros(1, 3)
    teacher = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])  # 1/2 for the label; (3/4, 1/4) among the others
    expected = -0.5 * math.log(1 / 3) - 2 * math.log(1 / 2)
    loss = nkd_loss(student, teacher, torch.tensor([0]), temperature=1.0, others_weight=2.0)
    torch.testing.assert_close(loss, torch.tensor(expected))


@pytest.mark.parametrize(("gamma", "temperature"), [(1.5, 1.0), (1.0, 1.0), (0.5, 3.0)])
def test_agrees_with_cls_kd(agree, gamma, temperature):
    teacher = 2 * torch.randn(8, 10)
    agree(
        lambda student: nkd_loss(student, teacher, TARGETS, temperature=temperature, others_weight=gamma),
        lambda student: cls_kd(student, teacher, TARGETS, gamma, temperature),
        2 * torch.randn(8, 10),
    )


def test_among_the_others_nothing_pulls_a_student_that_ranks_as_the_teacher_does():
    teacher = torch.randn(4, 6)
    student = teacher.clone()
    student[:, 2] += 3.0  # surer of the label, the same among the others
    student.requires_grad_()
    nkd_loss(student, teacher, torch.full((4,), 2), temperature=1.0, others_weight=100.0).backward()
    sure = teacher.softmax(1)[:, 2]
    alone = sure / 4 * (student.detach().softmax(1) - F.one_hot(torch.tensor(2), 6)).T  # cross-entropy's own
    torch.testing.assert_close(student.grad, alone.T, rtol=1e-4, atol=1e-5)


def test_ignores_a_shift_of_all_logits_and_a_repeated_batch():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    loss = nkd_loss(student, teacher, TARGETS, temperature=1.0)
    torch.testing.assert_close(nkd_loss(student + 5, teacher - 3, TARGETS, temperature=1.0), loss)
    twice = nkd_loss(student.repeat(2, 1), teacher.repeat(2, 1), TARGETS.repeat(2), temperature=1.0)
    torch.testing.assert_close(twice, loss)


def test_images_without_a_label_count_for_nothing():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    half = torch.where(torch.arange(8) % 2 == 0, TARGETS, NO_LABEL)
    kept = half != NO_LABEL
    torch.testing.assert_close(
        nkd_loss(student, teacher, half, temperature=1.0),
        nkd_loss(student[kept], teacher[kept], half[kept], temperature=1.0),
    )


def test_a_batch_without_any_label_gives_zero_and_a_gradient_of_zero():
    student = torch.randn(3, 5, requires_grad=True)
    loss = nkd_loss(student, torch.randn(3, 5), torch.full((3,), NO_LABEL), temperature=1.0)
    loss.backward()
    assert loss == 0
    assert student.grad.abs().max() == 0


def test_stays_finite_where_a_softmax_would_underflow():
    student = torch.tensor([[-300.0, 0.0, 300.0]], requires_grad=True)
    loss = nkd_loss(student, torch.tensor([[300.0, 0.0, -300.0]]), torch.tensor([0]), temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def shapes(classes):
    return Shapes(classes=classes, pooled=4, features=(), attention=())


def test_two_classes_have_no_others_and_that_is_said():
    (warning,) = NKD(shapes(2), shapes(2)).warnings()
    assert "cross-entropy on the labels" in warning
    assert "Use kd" in warning
    assert not NKD(shapes(3), shapes(3)).warnings()


def test_withheld_labels_are_counted_aloud():
    method = NKD(shapes(5), shapes(5))
    method.see_data(torch.tensor([0, 1, NO_LABEL]))
    assert "only 2 of 3 training images have one" in method.warnings()[0]
