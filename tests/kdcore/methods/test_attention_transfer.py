import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.attention_transfer import AttentionTransfer, attention_transfer_loss
from kdcore.tensors.outputs import Batch, Outputs, Shapes

CNN = Shapes(classes=3, pooled=8, features=((4, 16, 16), (6, 8, 8), (8, 4, 4)), attention=())
VIT = Shapes(classes=3, pooled=8, features=((8, 8, 8),) * 6, attention=((2, 8, 8),) * 6, tokens=True)
WITHOUT_CLASS_TOKEN = dataclasses.replace(VIT, attention=())
BATCH = Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.tensor([0, 1]))


def outputs(shapes: Shapes) -> Outputs:
    return Outputs(
        torch.randn(2, 3),
        torch.randn(2, 8),
        tuple(torch.randn(2, *s, requires_grad=True) for s in shapes.features),
        tuple(torch.rand(2, *s, requires_grad=True) for s in shapes.attention),
    )


def official(student: list[torch.Tensor], teacher: list[torch.Tensor]) -> torch.Tensor:
    """szagoruyko/attention-transfer utils.py (at, at_loss), with the pooling that HobbitLong/RepDistiller AT.py adds."""

    def at(x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x.pow(2).mean(1).view(x.size(0), -1))

    def at_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        s_height, t_height = x.shape[2], y.shape[2]
        if s_height > t_height:
            x = F.adaptive_avg_pool2d(x, (t_height, t_height))
        elif s_height < t_height:
            y = F.adaptive_avg_pool2d(y, (s_height, s_height))
        return (at(x) - at(y)).pow(2).mean()

    return sum(at_loss(x, y) for x, y in zip(student, teacher, strict=True))


def test_code_form_worked_by_hand():
    student, teacher = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[1.0, 0.0]]])  # unit vectors (.6, .8) and (1, 0)
    assert attention_transfer_loss(student, teacher).item() == pytest.approx((0.4**2 + 0.8**2) / 2)


def test_paper_form_worked_by_hand():
    student, teacher = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[1.0, 0.0]]])
    expected = math.sqrt(0.4**2 + 0.8**2) / 2  # half the length of the gap
    assert attention_transfer_loss(student, teacher, form="paper").item() == pytest.approx(expected)


def test_value_and_gradient_are_those_of_the_authors_code():
    torch.manual_seed(0)
    student, teacher = outputs(CNN), outputs(CNN)
    teacher = dataclasses.replace(teacher, features=tuple(F.avg_pool2d(f, 2).detach() for f in teacher.features))
    pooled = dataclasses.replace(CNN, features=((4, 8, 8), (6, 4, 4), (8, 2, 2)))
    ours = AttentionTransfer(CNN, pooled)(student, teacher, BATCH, 1.0)
    theirs = official(list(student.features), list(teacher.features))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, student.features) for loss in (1000 * ours, 1000 * theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_ignores_the_scale_of_either_network_and_is_zero_for_equal_maps(form):
    student, teacher = torch.rand(4, 5, 5), torch.rand(4, 5, 5)
    loss = attention_transfer_loss(student, teacher, form=form)
    torch.testing.assert_close(attention_transfer_loss(7 * student, 0.1 * teacher, form=form), loss)
    assert attention_transfer_loss(student, student, form=form) == 0 < loss


def test_ignores_the_order_and_the_signs_of_channels():
    student, teacher = outputs(CNN), outputs(CNN)
    method = AttentionTransfer(CNN, CNN)
    turned = dataclasses.replace(teacher, features=tuple(-f.flip(1) for f in teacher.features))
    torch.testing.assert_close(method(student, turned, BATCH, 1.0), method(student, teacher, BATCH, 1.0))


def test_does_not_depend_on_how_often_the_batch_is_repeated():
    student, teacher = torch.rand(4, 5, 5), torch.rand(4, 5, 5)
    for form in ("code", "paper"):
        once = attention_transfer_loss(student, teacher, form=form)
        twice = attention_transfer_loss(student.repeat(2, 1, 1), teacher.repeat(2, 1, 1), form=form)
        torch.testing.assert_close(once, twice)


def test_a_vit_looks_where_its_class_token_attends():
    student, teacher = outputs(CNN), outputs(VIT)
    ours = AttentionTransfer(CNN, VIT, pairs=[(1, -1)])(student, teacher, BATCH, 1.0)
    expected = (
        F.normalize(student.features[1].square().mean(1).flatten(1))
        - F.normalize(teacher.attention[5].mean(1).flatten(1))
    ).square()
    torch.testing.assert_close(ours, expected.mean())


def test_a_vit_s_token_energy_will_do_too():
    student, teacher = outputs(WITHOUT_CLASS_TOKEN), outputs(CNN)
    loss = AttentionTransfer(WITHOUT_CLASS_TOKEN, CNN, vit_map="energy")(student, teacher, BATCH, 1.0)
    loss.backward()
    assert all((f.grad is not None) == (block in (1, 3, 5)) for block, f in enumerate(student.features))


def test_pairs_are_at_equal_depth():
    assert AttentionTransfer(CNN, VIT).pairs == [(0, 1), (1, 3), (2, 5)]
    assert AttentionTransfer(VIT, VIT).pairs == [(0, 0), (2, 2), (3, 3), (5, 5)]
    five = dataclasses.replace(CNN, features=((4, 32, 32), *CNN.features))
    assert AttentionTransfer(CNN, five).pairs == [(0, 1), (1, 2), (2, 3)]  # without the stem


def test_what_cannot_work_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="teacher is a ViT without a class token.* set the option vit_map to energy"):
        AttentionTransfer(CNN, WITHOUT_CLASS_TOKEN)
    with pytest.raises(ValueError, match="the student has 3 feature maps, so there is no number 3: use 0 to 2"):
        AttentionTransfer(CNN, CNN, pairs=[(3, 0)])
    with pytest.raises(ValueError, match="form 'book' is not one of 'code', 'paper'"):
        AttentionTransfer(CNN, CNN, form="book")
    with pytest.raises(ValueError, match="the student has no feature maps. Use a CNN or a ViT"):
        AttentionTransfer(dataclasses.replace(CNN, features=()), CNN)
