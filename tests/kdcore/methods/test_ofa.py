import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.ofa import OFA, Merge, ofa_loss
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

TARGETS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])


def ofakd(logits_student, logits_teacher, target_mask, eps):
    """Hao840/OFAKD, distillers/ofa.py, ofa_loss at temperature 1."""
    pred_student, pred_teacher = F.softmax(logits_student, dim=1), F.softmax(logits_teacher, dim=1)
    prod = (pred_teacher + target_mask) ** eps
    return torch.sum(-(prod - target_mask) * torch.log(pred_student), dim=-1).mean()


def test_value_worked_by_hand():
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3.0), 0.0]])  # teacher: 3/4, 1/4
    loss = ofa_loss(student, teacher, torch.tensor([0]), enhancement=2.0)
    torch.testing.assert_close(loss, torch.tensor((1.75**2 - 1 + 0.25**2) * math.log(2)))


@pytest.mark.parametrize("eps", [1.0, 1.5, 2.0])
def test_agrees_with_ofakd(agree, eps):
    teacher = 2 * torch.randn(8, 10)
    agree(
        lambda student: ofa_loss(student, teacher, TARGETS, enhancement=eps),
        lambda student: ofakd(student, teacher, F.one_hot(TARGETS, 10), eps),
        2 * torch.randn(8, 10),
    )


def test_without_enhancement_it_has_the_gradient_of_kd_at_temperature_one(agree):
    teacher = torch.randn(8, 10)
    entropy = -(teacher.softmax(1) * teacher.log_softmax(1)).sum(1).mean()
    agree(
        lambda student: ofa_loss(student, teacher, TARGETS) - entropy,
        lambda student: F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="batchmean"),
        torch.randn(8, 10),
    )


def test_without_a_label_no_class_is_raised():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    none = torch.full((8,), NO_LABEL)
    torch.testing.assert_close(ofa_loss(student, teacher, none), ofa_loss(student, teacher, TARGETS))
    expected = -((teacher.softmax(1) ** 1.5) * student.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(ofa_loss(student, teacher, none, enhancement=1.5), expected)


def test_ignores_a_shift_of_all_logits_and_a_repeated_batch():
    student, teacher = torch.randn(8, 10), torch.randn(8, 10)
    loss = ofa_loss(student, teacher, TARGETS, enhancement=1.5)
    torch.testing.assert_close(ofa_loss(student + 5, teacher - 3, TARGETS, enhancement=1.5), loss)
    twice = ofa_loss(student.repeat(2, 1), teacher.repeat(2, 1), TARGETS.repeat(2), enhancement=1.5)
    torch.testing.assert_close(twice, loss)


def test_stays_finite_where_a_softmax_would_underflow():
    student = torch.tensor([[-300.0, 0.0, 300.0]], requires_grad=True)
    loss = ofa_loss(student, torch.tensor([[300.0, 0.0, -300.0]]), torch.tensor([0]), enhancement=1.5)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def cnn(*features, pooled=16):
    return Shapes(classes=10, pooled=pooled, features=features, attention=())


def vit(depth, grid=4):
    return Shapes(classes=10, pooled=12, features=((12, grid, grid),) * depth, attention=(), tokens=True)


RESNET = cnn((4, 64, 64), (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4), pooled=32)


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (vit(12), [1, 3, 9, 11]),  # OFAKD, custom_forward/vision_transformer.py, stage_info
        (vit(6), [0, 1, 4, 5]),
        (vit(2), [0, 1]),
        (RESNET, [1, 2, 3, 4]),  # timm's ResNets give the stem first
        (cnn((4, 8, 8), (16, 4, 4)), [0, 1]),
    ],
)
def test_exits_are_where_the_authors_have_them(student, expected):
    assert OFA(student, RESNET).exits == expected


def test_the_loss_is_the_sum_over_the_exits_and_the_student_s_own_logits():
    student, teacher = cnn((4, 8, 8), (16, 4, 4)), vit(2)
    method = OFA(student, teacher, exits=[-1]).eval()
    maps = (torch.randn(3, 4, 8, 8), torch.randn(3, 16, 4, 4))
    ours, theirs = (
        Outputs(torch.randn(3, 10), torch.randn(3, 16), maps),
        Outputs(torch.randn(3, 10), torch.randn(3, 12)),
    )
    batch = Batch(torch.rand(3, 3, 8, 8), torch.tensor([1, 2, NO_LABEL]), torch.arange(3))
    expected = ofa_loss(ours.logits, theirs.logits, batch.targets) + ofa_loss(
        method.heads[0](maps[1]), theirs.logits, batch.targets
    )
    torch.testing.assert_close(method(ours, theirs, batch, 1.0), expected)


def test_a_cnn_s_exits_are_the_authors_halved_once_for_each_stage_that_follows():
    heads = OFA(RESNET, vit(12)).heads
    x = torch.randn(2, 4, 32, 32)
    for halvings in range(3):
        x = heads[0][halvings](x)
        assert x.shape[1:] == [(8, 16, 16), (16, 8, 8), (32, 4, 4)][halvings]  # the widest of both networks at the end
    assert heads[3][0].kernel_size == (1, 1)
    assert heads[3](torch.randn(2, 32, 4, 4)).shape == (2, 10)


def test_small_maps_leave_a_batch_of_one_image_something_to_normalise_over():
    small = cnn((4, 8, 8), (8, 4, 4), (16, 2, 2), (32, 1, 1))  # a ResNet made for 224 pixels, given 32
    for head, (channels, height, width) in zip(OFA(small, vit(2)).heads, small.features, strict=True):
        assert head(torch.randn(1, channels, height, width)).isfinite().all()


@pytest.mark.parametrize(("grid", "merges"), [(4, 0), (8, 0), (14, 1), (15, 0), (28, 2)])
def test_a_vit_s_tokens_are_merged_down_to_a_grid_of_about_seven(grid, merges):
    method = OFA(vit(12, grid), RESNET)
    assert [len(head.merges) for head in method.heads] == [merges] * 4
    assert [len(head.blocks) for head in method.heads] == [3, 2, 1, 1]
    assert method.heads[0](torch.randn(2, 12, grid, grid)).shape == (2, 10)


def test_merging_keeps_the_places():
    merge = Merge(2)
    features = torch.randn(1, 2, 4, 4)
    changed = features.clone()
    changed[0, :, 2:, :2] += torch.randn(2, 2, 2)
    touched = (merge(features) - merge(changed)).abs().sum(dim=1)[0] > 0
    assert touched.tolist() == [[False, False], [True, False]]


def test_refusals_name_the_way_out():
    with pytest.raises(ValueError, match="the student has no feature maps.*Use kd or dist"):
        OFA(cnn(), RESNET)
    with pytest.raises(
        ValueError, match=r"exits \[5\] must name one or more of the student's 5 feature maps, from 0 to 4"
    ):
        OFA(RESNET, vit(2), exits=[5])
    with pytest.raises(ValueError, match=r"enhancement 0.5 would lower the target of the label; use 1 for"):
        OFA(RESNET, vit(2), enhancement=0.5)
