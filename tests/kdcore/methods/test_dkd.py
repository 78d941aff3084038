import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.dkd import DKD, dkd_loss
from kdcore.tensors.outputs import NO_LABEL, Shapes

TARGETS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])


def mdistiller(student, teacher, target, alpha, beta, temperature):
    """megvii-research/mdistiller, mdistiller/distillers/DKD.py, dkd_loss."""
    is_target = F.one_hot(target, student.shape[1])

    def target_and_rest(logits):
        p = F.softmax(logits / temperature, dim=1)
        return torch.stack([(p * is_target).sum(1), (p * (1 - is_target)).sum(1)], dim=1)

    tckd = F.kl_div(torch.log(target_and_rest(student)), target_and_rest(teacher), reduction="sum")
    nckd = F.kl_div(
        F.log_softmax(student / temperature - 1000.0 * is_target, dim=1),
        F.softmax(teacher / temperature - 1000.0 * is_target, dim=1),
        reduction="sum",
    )
    return (alpha * tckd + beta * nckd) * temperature**2 / target.shape[0]


def test_value_worked_by_hand():
    student = torch.zeros(1, 3)  # 1/3 for the target; (1/2, 1/2) among the others
    teacher = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])  # 4/8, 3/8, 1/8
    target = 0.5 * math.log(0.5 * 3) + 0.5 * math.log(0.5 * 3 / 2)
    others = 0.75 * math.log(0.75 * 2) + 0.25 * math.log(0.25 * 2)
    loss = dkd_loss(student, teacher, torch.tensor([0]), temperature=1.0, target_weight=2.0, others_weight=3.0)
    torch.testing.assert_close(loss, torch.tensor(2 * target + 3 * others))


@pytest.mark.parametrize(("alpha", "beta", "temperature"), [(1.0, 8.0, 4.0), (1.0, 2.0, 1.0), (0.5, 0.5, 2.0)])
def test_agrees_with_mdistiller(agree, alpha, beta, temperature):
    teacher = 2 * torch.randn(8, 10)
    agree(
        lambda student: dkd_loss(
            student, teacher, TARGETS, temperature=temperature, target_weight=alpha, others_weight=beta
        ),
        lambda student: mdistiller(student, teacher, TARGETS, alpha, beta, temperature),
        2 * torch.randn(8, 10),
    )


def test_with_the_teacher_s_own_weight_on_the_others_it_is_kd():
    student, teacher, temperature = torch.randn(1, 6), torch.randn(1, 6), 3.0
    rest = 1 - (teacher / temperature).softmax(1)[0, 2]
    kd = temperature**2 * F.kl_div(
        (student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="batchmean"
    )
    loss = dkd_loss(student, teacher, torch.tensor([2]), temperature=temperature, others_weight=rest.item())
    torch.testing.assert_close(loss, kd)


def test_is_zero_for_equal_logits_and_ignores_a_shift_of_all():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    assert dkd_loss(teacher, teacher, TARGETS, temperature=4.0).abs() < 1e-6
    loss = dkd_loss(student, teacher, TARGETS, temperature=4.0)
    torch.testing.assert_close(dkd_loss(student + 5, teacher - 3, TARGETS, temperature=4.0), loss, rtol=1e-4, atol=1e-5)
    twice = dkd_loss(student.repeat(2, 1), teacher.repeat(2, 1), TARGETS.repeat(2), temperature=4.0)
    torch.testing.assert_close(twice, loss)


def test_images_without_a_label_count_for_nothing():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    half = torch.where(torch.arange(8) % 2 == 0, TARGETS, NO_LABEL)
    kept = half != NO_LABEL
    torch.testing.assert_close(
        dkd_loss(student, teacher, half, temperature=4.0),
        dkd_loss(student[kept], teacher[kept], half[kept], temperature=4.0),
    )


def test_a_batch_without_any_label_gives_zero_and_a_gradient_of_zero():
    student = torch.randn(3, 5, requires_grad=True)
    loss = dkd_loss(student, torch.randn(3, 5), torch.full((3,), NO_LABEL), temperature=4.0)
    loss.backward()
    assert loss == 0
    assert student.grad.abs().max() == 0


@pytest.mark.parametrize("size", [200.0, -200.0])
def test_stays_finite_where_a_softmax_would_underflow(size):
    student = torch.tensor([[size, 0.0, 1.0]], requires_grad=True)
    loss = dkd_loss(student, torch.tensor([[-size, 0.0, 1.0]]), torch.tensor([0]), temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0.1


def shapes(classes):
    return Shapes(classes=classes, pooled=4, features=(), attention=())


def test_two_classes_have_no_others_and_that_is_said():
    targets = torch.tensor([0, 1])
    student, teacher = torch.randn(2, 2), torch.randn(2, 2)
    losses = [dkd_loss(student, teacher, targets, temperature=2.0, others_weight=weight) for weight in (0.0, 100.0)]
    torch.testing.assert_close(*losses)
    (warning,) = DKD(shapes(2), shapes(2)).warnings()
    assert "the part among the others is always 0" in warning
    assert "Use kd" in warning
    assert not DKD(shapes(3), shapes(3)).warnings()


def test_withheld_labels_are_counted_aloud():
    method = DKD(shapes(5), shapes(5))
    method.see_data(torch.tensor([0, 1, NO_LABEL, NO_LABEL, NO_LABEL]))
    (warning,) = method.warnings()
    assert "only 2 of 5 training images have one" in warning
    assert "kd learns from all" in warning
