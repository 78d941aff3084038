import math

import pytest
import torch

from kdcore.methods.kd import centered_logit_loss, kd_loss


def test_value_worked_by_hand():
    student = torch.tensor([[0.0, 0.0]])  # softened: (1/2, 1/2)
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])  # softened at 2: (3/4, 1/4)
    by_hand = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    torch.testing.assert_close(kd_loss(student, teacher, temperature=2.0), torch.tensor(by_hand))


def test_equals_a_float64_reference_with_the_sum_over_classes_and_the_mean_over_the_batch():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    p, q = (teacher.double() / 4).softmax(1), (student.double() / 4).softmax(1)
    expected = 16 * (p * (p / q).log()).sum() / 8
    torch.testing.assert_close(kd_loss(student, teacher, temperature=4.0).double(), expected, rtol=1e-5, atol=1e-5)


def test_is_zero_for_equal_logits_and_never_negative():
    logits = torch.randn(5, 7)
    assert kd_loss(logits, logits, temperature=3.0).abs() < 1e-6
    assert all(kd_loss(torch.randn(5, 7), torch.randn(5, 7), temperature=3.0) >= 0 for _ in range(20))


def test_does_not_depend_on_how_often_the_batch_is_repeated():
    student, teacher = torch.randn(4, 10), torch.randn(4, 10)
    once = kd_loss(student, teacher, temperature=4.0)
    twice = kd_loss(student.repeat(2, 1), teacher.repeat(2, 1), temperature=4.0)
    torch.testing.assert_close(once, twice)


def gradient(loss, student):
    return torch.autograd.grad(loss, student)[0]


def test_keeps_the_gradient_s_size_over_temperatures():
    torch.manual_seed(0)
    student, teacher = torch.randn(16, 10, requires_grad=True), torch.randn(16, 10)
    norms = [gradient(kd_loss(student, teacher, temperature=t), student).norm().item() for t in (1.0, 4.0, 20.0)]
    assert max(norms) < 2 * min(norms)


def test_tends_to_the_centred_logit_gap_at_high_temperature():
    student, teacher = torch.randn(6, 10, requires_grad=True), torch.randn(6, 10)
    far = gradient(kd_loss(student, teacher, temperature=1000.0), student)
    near = gradient(centered_logit_loss(student, teacher), student)
    torch.testing.assert_close(far, near, rtol=1e-2, atol=1e-4)
    gap = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    torch.testing.assert_close(near, gap.detach() / 10 / 6)


@pytest.mark.parametrize("shift", [3.0, -100.0])
def test_ignores_a_shift_of_all_logits(shift):
    student, teacher = torch.randn(3, 5), torch.randn(3, 5)
    torch.testing.assert_close(
        kd_loss(student + shift, teacher, temperature=2.0),
        kd_loss(student, teacher, temperature=2.0),
        rtol=1e-3,
        atol=1e-5,
    )
    torch.testing.assert_close(
        centered_logit_loss(student + shift, teacher), centered_logit_loss(student, teacher), rtol=1e-3, atol=1e-5
    )
