import math

import torch

from kdcore.methods.pkt import neighbours, pkt_loss


def mdistiller(f_s, f_t, eps=1e-7):
    """megvii-research/mdistiller, mdistiller/distillers/PKT.py, pkt_loss; RepDistiller has the same."""

    def probabilities(f):
        f = f / (torch.sqrt(torch.sum(f**2, dim=1, keepdim=True)) + eps)
        similarity = (torch.mm(f, f.t()) + 1.0) / 2.0
        return similarity / torch.sum(similarity, dim=1, keepdim=True)

    ours, theirs = probabilities(f_s), probabilities(f_t)
    return torch.mean(theirs * torch.log((theirs + eps) / (ours + eps)))


def test_value_worked_by_hand():
    student = torch.tensor([[2.0, 0.0], [0.0, 3.0]])  # a right angle: 1 and 1/2 over their sum
    teacher = torch.tensor([[5.0, 5.0], [1.0, 1.0]])  # one direction: 1/2 each
    row = 0.5 * math.log(0.5 / (2 / 3)) + 0.5 * math.log(0.5 / (1 / 3))
    torch.testing.assert_close(pkt_loss(student, teacher), torch.tensor(row / 2))  # two rows over four numbers


def test_agrees_with_mdistiller(agree):
    teacher = torch.randn(8, 12)
    agree(lambda student: pkt_loss(student, teacher), lambda student: mdistiller(student, teacher), torch.randn(8, 6))


def test_agrees_with_mdistiller_at_the_published_weight_too():
    student, teacher = torch.randn(8, 6, requires_grad=True), torch.randn(8, 12)
    told = []
    for loss in (pkt_loss, mdistiller):
        value = 30000 * loss(
            student.double(), teacher.double()
        )  # in float32 some four digits of so small a mean are left
        told.append((value.detach(), *torch.autograd.grad(value, student)))
    torch.testing.assert_close(told[0], told[1], rtol=1e-4, atol=1e-3)  # theirs adds 1e-7 to every length
    in_float32 = 30000 * pkt_loss(student, teacher).detach()
    torch.testing.assert_close(in_float32.double(), told[0][0], rtol=1e-3, atol=0)


def test_rows_are_probabilities():
    rows = neighbours(torch.randn(5, 3))
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(5))
    assert rows.min() >= 0


def test_is_zero_for_equal_vectors_and_ignores_the_length_of_each():
    student, teacher = torch.randn(6, 4), torch.randn(6, 9)
    lengths = torch.rand(6, 1) * 10 + 0.1
    torch.testing.assert_close(pkt_loss(lengths * student, teacher), pkt_loss(student, teacher), rtol=1e-4, atol=1e-7)
    assert pkt_loss(lengths * teacher, teacher).abs() < 1e-7


def test_halves_as_the_batch_is_doubled():
    student, teacher = torch.randn(4, 6), torch.randn(4, 5)
    twice = pkt_loss(student.repeat(2, 1), teacher.repeat(2, 1))
    torch.testing.assert_close(twice, pkt_loss(student, teacher) / 2, rtol=1e-3, atol=1e-7)


def test_a_vector_of_zeros_has_a_finite_gradient():
    student = torch.randn(4, 6)
    student[2] = 0
    student.requires_grad_()
    loss = pkt_loss(student, torch.randn(4, 5))
    loss.backward()
    assert loss.isfinite()
    assert student.grad.abs().max() < 1e3
