import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.capd import CAPD, GroupwiseLinear, capd_loss, value_products
from kdcore.tensors.outputs import Batch, Outputs, Shapes

CNN = Shapes(classes=3, pooled=6, features=((4, 16, 16), (5, 8, 8), (6, 3, 3)), attention=())
VIT = Shapes(classes=3, pooled=8, features=((8, 6, 6),) * 4, attention=((2, 6, 6),) * 4, tokens=True, qkv=(2, 4, 6, 6))
BATCH = Batch(torch.rand(3, 3, 8, 8), torch.arange(3), torch.arange(3))


def outputs(shapes: Shapes) -> Outputs:
    features = tuple(torch.randn(3, *s, requires_grad=True) for s in shapes.features)
    qkv = torch.randn(3, 3, *shapes.qkv) if shapes.qkv else None
    return Outputs(torch.randn(3, 3), torch.randn(3, shapes.pooled), features, qkv=qkv)


def by_the_paper(student, teacher, tokens_student, tokens_teacher, exchanged):
    """Equations 3, 4 and 6 of the paper, an image and a head at a time, with means for the squared norms."""
    images, _, heads, _, width = student.shape
    attended, products = [], []
    for b in range(images):
        for h in range(heads):
            v_s = student[b, 2, h]
            q_t, k_t, v_t = teacher[b, :, h]
            q, k, v = (torch.where(exchanged[b, i, h], teacher[b, i, h], student[b, i, h]) for i in range(3))
            pc_attention = torch.softmax(q @ k.T / math.sqrt(width), dim=1) @ v
            attention = torch.softmax(q_t @ k_t.T / math.sqrt(width), dim=1) @ v_t
            attended.append((attention - pc_attention).square().mean())
            products.append((v_t @ v_t.T / math.sqrt(width) - v_s @ v_s.T / math.sqrt(width)).square().mean())
    l_proj2 = (tokens_teacher - tokens_student).square().mean()
    return torch.stack(attended).mean() + torch.stack(products).mean() + l_proj2


def qkv_pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, 2, 9, 4, requires_grad=True), torch.randn(2, 3, 2, 9, 4)


def test_value_worked_by_hand():
    teacher = torch.tensor(
        [[[[[0.0]]], [[[0.0]]], [[[3.0]]]]]
    )  # one place, one head of width 1: attention gives the value
    student = torch.tensor([[[[[5.0]]], [[[7.0]]], [[[1.0]]]]])
    tokens_student, tokens_teacher = torch.full((1, 2, 1, 1), 1.0), torch.full((1, 2, 1, 1), 5.0)
    nothing = torch.zeros_like(student).bool()
    loss = capd_loss(student, teacher, tokens_student, tokens_teacher, exchanged=nothing, tokens_weight=0.5)
    assert loss.item() == (3 - 1) ** 2 + (9 - 1) ** 2 + 0.5 * 16


def test_value_and_gradient_are_those_of_the_paper_s_equations():
    torch.manual_seed(0)
    student, teacher = qkv_pair()
    tokens_student, tokens_teacher = torch.randn(2, 5, 3, 3, requires_grad=True), torch.randn(2, 5, 3, 3)
    exchanged = torch.rand_like(student) < 0.5
    ours = capd_loss(student, teacher, tokens_student, tokens_teacher, exchanged=exchanged)
    theirs = by_the_paper(student, teacher, tokens_student, tokens_teacher, exchanged)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, (student, tokens_student)) for loss in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_where_all_is_the_teacher_s_only_values_and_tokens_are_compared():
    student, teacher = qkv_pair()
    tokens = torch.randn(2, 5, 3, 3)
    loss = capd_loss(student, teacher, tokens, tokens, exchanged=torch.ones_like(student).bool())
    torch.testing.assert_close(loss, F.mse_loss(value_products(student[:, 2]), value_products(teacher[:, 2])))


def test_is_zero_for_a_student_that_has_become_the_teacher():
    _, teacher = qkv_pair()
    tokens = torch.randn(2, 5, 3, 3)
    assert capd_loss(teacher, teacher, tokens, tokens, exchanged=torch.rand_like(teacher) < 0.5) == 0


def test_ignores_the_order_of_images():
    student, teacher = qkv_pair()
    tokens_student, tokens_teacher = torch.randn(2, 5, 3, 3), torch.randn(2, 5, 3, 3)
    exchanged = torch.rand_like(student) < 0.5
    turned = (t.flip(0) for t in (student, teacher, tokens_student, tokens_teacher))
    torch.testing.assert_close(
        capd_loss(*turned, exchanged=exchanged.flip(0)),
        capd_loss(student, teacher, tokens_student, tokens_teacher, exchanged=exchanged),
    )


def test_a_linear_layer_is_shared_by_four_by_four_places():
    layer = GroupwiseLinear(3, 5, (14, 14))
    assert len(layer.layers) == 16  # as the paper counts them for 14 x 14
    features = torch.randn(2, 3, 14, 14)
    out = layer(features)
    assert out.shape == (2, 5, 14, 14)
    for row, column in ((0, 0), (3, 4), (7, 13), (13, 13)):
        linear = layer.layers[(row // 4) * 4 + column // 4]
        expected = features[:, :, row, column] @ linear.weight[:, :, 0, 0].T + linear.bias
        torch.testing.assert_close(out[:, :, row, column], expected)


@pytest.mark.parametrize("layer, grid", [(0, 6), (1, 6), (-1, 3)])
def test_the_finer_side_is_pooled_to_the_coarser_grid(layer, grid, monkeypatch):
    seen = []
    real = capd_loss
    monkeypatch.setattr(
        "kdcore.methods.capd.capd_loss", lambda *given, **more: seen.append(given) or real(*given, **more)
    )
    method, student, teacher = CAPD(CNN, VIT, layer=layer), outputs(CNN), outputs(VIT)
    method(student, teacher, BATCH, 1.0).backward()
    ours, theirs, tokens_student, tokens_teacher = seen[0]
    assert ours.shape == theirs.shape == (3, 3, 2, grid * grid, 4)
    assert tokens_student.shape == tokens_teacher.shape == (3, 8, grid, grid)
    whole = F.adaptive_avg_pool2d(teacher.qkv[:, 1, 1], grid)  # the keys of head 1, [B, d, grid, grid]
    torch.testing.assert_close(theirs[:, 1, 1], whole.flatten(2).transpose(1, 2))
    assert all(p.grad is not None for p in method.parameters())


def test_half_of_the_elements_are_exchanged_anew_at_every_step():
    method, student, teacher = CAPD(CNN, VIT), outputs(CNN), outputs(VIT)
    torch.manual_seed(0)
    first, second = method(student, teacher, BATCH, 1.0), method(student, teacher, BATCH, 1.0)
    torch.manual_seed(0)
    again = method(student, teacher, BATCH, 1.0)
    assert first != second
    assert first == again


def test_what_cannot_work_is_refused_with_the_way_out():
    with pytest.raises(
        ValueError, match="the teacher has no queries, keys and values.* Use a ViT or DeiT as the teacher"
    ):
        CAPD(CNN, CNN)
    with pytest.raises(ValueError, match="the student has no CNN feature maps.* Use a CNN as the student"):
        CAPD(VIT, VIT)
    with pytest.raises(ValueError, match="the student has 3 feature maps, so there is no number 3: use 0 to 2"):
        CAPD(CNN, VIT, layer=3)
    rotary = dataclasses.replace(VIT, qkv=None)
    with pytest.raises(ValueError, match="rotary"):
        CAPD(CNN, rotary)
