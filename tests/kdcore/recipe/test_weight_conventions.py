"""Translated weights, checked by computing the other convention's loss with PyTorch."""

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.kd import kd_loss
from kdcore.recipe import Term, weight_conventions

STUDENT, TEACHER, TEMPERATURE = torch.randn(8, 10), torch.randn(8, 10), 4.0


def elsewhere(*, square: bool, reduction: str) -> torch.Tensor:
    log_student = F.log_softmax(STUDENT / TEMPERATURE, dim=1)
    if reduction == "numel":  # as `reduction="mean"` divides, which warns
        loss = F.kl_div(log_student, F.softmax(TEACHER / TEMPERATURE, dim=1), reduction="sum") / STUDENT.numel()
    else:
        loss = F.kl_div(log_student, F.softmax(TEACHER / TEMPERATURE, dim=1), reduction="batchmean")
    return loss * TEMPERATURE**2 if square else loss


def weights(*terms: Term, classes: int = 10, epochs: int = 10) -> dict[str, float]:
    found = weight_conventions.translations(terms, classes, epochs, summed={"kd"})
    return {translation.convention: translation.weight for translation in found}


@pytest.mark.parametrize(
    ("convention", "square", "reduction"),
    [
        ("without the square of the temperature", False, "batch"),
        ("averaged over the classes too", True, "numel"),
        ("both: no square, averaged over the classes", False, "numel"),
    ],
)
def test_the_translated_weight_gives_the_same_loss_in_the_other_convention(convention, square, reduction):
    translated = weights(Term(method="kd", weight=0.9, temperature=TEMPERATURE))[convention]
    ours = 0.9 * kd_loss(STUDENT, TEACHER, temperature=TEMPERATURE)
    torch.testing.assert_close(translated * elsewhere(square=square, reduction=reduction), ours)


def test_alpha_on_either_side_and_the_factor_that_is_left():
    found = weights(Term(method="ce", weight=0.5), Term(method="kd", weight=1.5))
    assert found["alpha on the teacher's term"] == 0.75
    assert found["alpha on cross-entropy"] == 0.25
    assert found["learning rate times this, with either alpha"] == 2.0


def test_without_labels_or_with_two_teachers_terms_there_is_no_alpha():
    kd = Term(method="kd")
    assert "alpha on cross-entropy" not in weights(kd)
    assert "alpha on cross-entropy" not in weights(Term(method="ce"), kd, kd.model_copy(update={"name": "again"}))


def test_a_schedule_is_read_where_its_term_begins():
    late = Term(method="kd", weight={"linear": [0.0, 1.0]}, temperature={"linear": [1.0, 3.0]}, from_epoch=6)
    assert weight_conventions.at_first(late, 10) == (0.5, 2.0)


def test_other_losses_have_no_such_conventions():
    assert weights(Term(method="fitnets", weight=100.0)) == {}
