import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.logit_standardisation import (
    LogitStandardisation,
    logit_standardisation_loss,
    standardised_logits,
)
from kdcore.tensors.outputs import Shapes


def authors(logits_student, logits_teacher, temperature):
    """sunshangquan/logit-standardization-KD, mdistiller/distillers/KD.py, kd_loss with logit_stand."""

    def normalize(logit):
        return (logit - logit.mean(dim=-1, keepdims=True)) / (1e-7 + logit.std(dim=-1, keepdims=True))

    log_pred_student = F.log_softmax(normalize(logits_student) / temperature, dim=1)
    pred_teacher = F.softmax(normalize(logits_teacher) / temperature, dim=1)
    return F.kl_div(log_pred_student, pred_teacher, reduction="none").sum(1).mean() * temperature**2


def test_value_worked_by_hand():
    student = torch.tensor([[0.0, 1.0, 2.0]])  # standardised: -1, 0, 1
    teacher = torch.tensor([[30.0, 20.0, 10.0]])  # standardised: 1, 0, -1
    whole = math.e + 1 + 1 / math.e
    expected = (math.e - 1 / math.e) / whole * 2  # sum p_T (z_T - z_S), p_T = (e, 1, 1/e) / whole
    torch.testing.assert_close(logit_standardisation_loss(student, teacher, temperature=1.0), torch.tensor(expected))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_agrees_with_the_authors_code(agree, temperature):
    teacher = 3 * torch.randn(8, 10)
    agree(
        lambda student: logit_standardisation_loss(student, teacher, temperature=temperature),
        lambda student: authors(student, teacher, temperature),
        2 * torch.randn(8, 10),
    )


def test_ignores_size_and_shift_of_either_network_s_logits():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    loss = logit_standardisation_loss(student, teacher, temperature=2.0)
    changed = logit_standardisation_loss(9 * student + 4, teacher / 5 - 1, temperature=2.0)
    torch.testing.assert_close(changed, loss, rtol=1e-4, atol=1e-5)
    assert logit_standardisation_loss(3 * teacher + 1, teacher, temperature=2.0).abs() < 1e-5


def test_does_not_depend_on_how_often_the_batch_is_repeated():
    student, teacher = torch.randn(4, 10), torch.randn(4, 10)
    torch.testing.assert_close(
        logit_standardisation_loss(student.repeat(2, 1), teacher.repeat(2, 1), temperature=2.0),
        logit_standardisation_loss(student, teacher, temperature=2.0),
    )


def test_a_student_that_says_the_same_of_every_class_has_a_finite_gradient():
    student = torch.zeros(4, 10, requires_grad=True)
    loss = logit_standardisation_loss(student, torch.randn(4, 10), temperature=2.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def test_two_classes_are_refused_as_every_image_would_look_alike():
    assert standardised_logits(torch.tensor([[1.0, 0.5], [-3.0, 8.0]])).abs().sub(math.sqrt(0.5)).abs().max() < 1e-4
    two = Shapes(classes=2, pooled=4, features=(), attention=())
    with pytest.raises(ValueError, match=r"\+0.71 and -0.71 for every image.*Use kd, or a method on features"):
        LogitStandardisation(two, two)
