import numpy as np
import pytest
import torch

from kdcore.methods.dist import DIST, correlation, dist_loss
from kdcore.tensors.outputs import Shapes


def hunto(z_s, z_t, beta, gamma, tau):
    """hunto/image_classification_sota, lib/models/losses/dist_kd.py, DIST; the repository of the paper's authors."""

    def cosine(a, b, eps=1e-8):
        return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + eps)

    def relation(a, b):
        return 1 - cosine(a - a.mean(1).unsqueeze(1), b - b.mean(1).unsqueeze(1)).mean()

    y_s, y_t = (z_s / tau).softmax(dim=1), (z_t / tau).softmax(dim=1)
    inter = tau**2 * relation(y_s, y_t)
    intra = tau**2 * relation(y_s.transpose(0, 1), y_t.transpose(0, 1))
    return beta * inter + gamma * intra


def test_correlations_are_numpy_s():
    one, other = torch.randn(5, 7), torch.randn(5, 7)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(one.numpy(), other.numpy(), strict=True)]
    np.testing.assert_allclose(correlation(one, other).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_value_worked_by_hand():
    # images in opposite order of certainty: over classes each image agrees (1), over images each class disagrees (-1)
    student = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    teacher = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    loss = dist_loss(student, teacher, temperature=3.0, inter_weight=5.0, intra_weight=7.0)
    torch.testing.assert_close(loss, torch.tensor(9.0 * 7 * 2), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize(("beta", "gamma", "tau"), [(1.0, 1.0, 1.0), (1.0, 1.0, 4.0), (2.0, 0.5, 2.0)])
def test_agrees_with_the_authors_code(agree, beta, gamma, tau):
    teacher = 2 * torch.randn(8, 10)
    agree(
        lambda student: dist_loss(student, teacher, temperature=tau, inter_weight=beta, intra_weight=gamma),
        lambda student: hunto(student, teacher, beta, gamma, tau),
        2 * torch.randn(8, 10),
    )


def test_is_zero_for_equal_logits_and_does_not_depend_on_a_repeated_batch():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    assert dist_loss(teacher, teacher, temperature=1.0).abs() < 1e-4
    torch.testing.assert_close(
        dist_loss(student.repeat(2, 1), teacher.repeat(2, 1), temperature=4.0),
        dist_loss(student, teacher, temperature=4.0),
        rtol=1e-4,
        atol=1e-5,
    )


def test_asks_for_less_than_equality():
    teacher = torch.randn(8, 10)
    milder = (teacher.softmax(1) / 2 + 0.05).log()  # probabilities half as far from uniform
    assert dist_loss(milder, teacher, temperature=1.0).abs() < 1e-4


@pytest.mark.parametrize("logits", [torch.zeros(4, 5), torch.tensor([[200.0, 0.0, 0.0]] * 4)])
def test_stays_finite_where_nothing_varies(logits):
    student = logits.clone().requires_grad_()
    loss = dist_loss(student, torch.randn_like(logits), temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def shapes(classes):
    return Shapes(classes=classes, pooled=4, features=(), attention=())


def test_over_two_classes_there_is_no_gradient_and_that_is_said():
    student, teacher = torch.randn(6, 2, requires_grad=True), torch.randn(6, 2)
    dist_loss(student, teacher, temperature=1.0, intra_weight=0.0).backward()
    assert student.grad.abs().max() < 1e-5
    (warning,) = DIST(shapes(2), shapes(2)).warnings()
    assert "always 1 or -1 and has no gradient" in warning
    assert "Use kd" in warning
    assert not DIST(shapes(3), shapes(3)).warnings()
