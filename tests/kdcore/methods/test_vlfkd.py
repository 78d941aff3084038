import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.vlfkd import VLFKD, decoupled_loss, vlfkd_loss
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

VIT = Shapes(classes=5, pooled=8, features=((8, 6, 6),) * 4, attention=((2, 6, 6),) * 4, tokens=True)
CNN = Shapes(classes=5, pooled=7, features=((4, 16, 16), (7, 3, 3)), attention=())
BATCH = Batch(torch.rand(3, 3, 8, 8), torch.tensor([0, 4, NO_LABEL]), torch.arange(3))


def outputs(shapes: Shapes) -> Outputs:
    features = tuple(torch.randn(3, *s, requires_grad=True) for s in shapes.features)
    return Outputs(torch.randn(3, 5, requires_grad=True), torch.randn(3, shapes.pooled), features)


def official_dkd(logits_student, logits_teacher, target, alpha, beta, temperature):
    """megvii-research/mdistiller mdistiller/distillers/DKD.py, dkd_loss."""

    def cat_mask(t, mask1, mask2):
        return torch.cat([(t * mask1).sum(1, keepdim=True), (t * mask2).sum(1, keepdim=True)], dim=1)

    gt_mask = torch.zeros_like(logits_student).scatter_(1, target.unsqueeze(1), 1).bool()
    other_mask = ~gt_mask
    pred_student = cat_mask(F.softmax(logits_student / temperature, dim=1), gt_mask, other_mask)
    pred_teacher = cat_mask(F.softmax(logits_teacher / temperature, dim=1), gt_mask, other_mask)
    scale = temperature**2 / target.shape[0]
    tckd_loss = F.kl_div(torch.log(pred_student), pred_teacher, reduction="sum") * scale
    pred_teacher_part2 = F.softmax(logits_teacher / temperature - 1000.0 * gt_mask, dim=1)
    log_pred_student_part2 = F.log_softmax(logits_student / temperature - 1000.0 * gt_mask, dim=1)
    nckd_loss = F.kl_div(log_pred_student_part2, pred_teacher_part2, reduction="sum") * scale
    return alpha * tckd_loss + beta * nckd_loss


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_decoupled_part_is_decoupled_knowledge_distillation(temperature):
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 5, requires_grad=True), torch.randn(6, 5)
    targets = torch.tensor([0, 1, 2, 3, 4, 0])
    ours = decoupled_loss(student, teacher, targets, temperature=temperature, target_weight=1.5, others_weight=8.0)
    theirs = official_dkd(student, teacher, targets, 1.5, 8.0, temperature)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, student)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_the_decoupled_part_stays_finite_for_certain_networks():
    student = torch.tensor([[200.0, 0.0, -50.0]], requires_grad=True)
    loss = decoupled_loss(student, -student.detach(), torch.tensor([0]), temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def test_the_decoupled_part_leaves_out_what_has_no_label():
    student, teacher = torch.randn(4, 5), torch.randn(4, 5)
    targets = torch.tensor([1, NO_LABEL, 3, NO_LABEL])
    all_of_them = decoupled_loss(student, teacher, targets, temperature=2.0)
    labelled = decoupled_loss(student[::2], teacher[::2], targets[::2], temperature=2.0)
    torch.testing.assert_close(all_of_them, labelled)
    assert decoupled_loss(student, teacher, torch.full((4,), NO_LABEL), temperature=2.0) == 0


def test_the_feature_part_worked_by_hand():
    student = torch.tensor([[math.log(3.0), 0.0]])[:, :, None, None]  # softmax (3/4, 1/4)
    teacher = torch.zeros(1, 2, 1, 1)  # (1/2, 1/2)
    pooled = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    tokens = math.log(3.0) ** 2 / 2
    # unit vectors (1, 0) and (0, 1) over .1: softmax of (10, 0) against (0, 10)
    sure = 1 / (1 + math.exp(-10))
    common = sure * 10 - (1 - sure) * 10
    loss = vlfkd_loss(student, teacher, torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
    assert loss.item() == pytest.approx(0.5 * pooled + 0.3 * tokens + 0.2 * common, rel=1e-5)


def test_the_common_space_has_a_divergence_that_is_felt():
    """Without the temperature, softmaxes of 512 numbers on a vector of length 1 are nearly uniform."""
    torch.manual_seed(0)
    ours, theirs = torch.randn(16, 512), torch.randn(16, 512)
    maps = torch.zeros(16, 2, 1, 1)
    flat = F.kl_div(
        F.log_softmax(F.normalize(ours), 1),
        F.log_softmax(F.normalize(theirs), 1),
        reduction="batchmean",
        log_target=True,
    )
    assert vlfkd_loss(maps, maps, ours, theirs) > 10 * 0.2 * flat


def test_the_common_space_ignores_lengths():
    maps, ours, theirs = torch.zeros(4, 2, 1, 1), torch.randn(4, 16), torch.randn(4, 16)
    torch.testing.assert_close(vlfkd_loss(maps, maps, 9 * ours, 0.1 * theirs), vlfkd_loss(maps, maps, ours, theirs))


@pytest.mark.parametrize("side", [3, 6, 12])
def test_the_teacher_s_map_comes_to_the_tokens_grid(side):
    student, vectors = torch.zeros(2, 4, 6, 6), torch.randn(2, 8)
    loss = vlfkd_loss(student, torch.full((2, 4, side, side), 2.0), vectors, vectors)
    torch.testing.assert_close(loss, torch.tensor(0.3 * 4.0))  # equal softmaxes, a gap of 2 everywhere


def test_the_same_projections_are_used_in_every_step():
    torch.manual_seed(0)
    method, student, teacher = VLFKD(VIT, CNN), outputs(VIT), outputs(CNN)
    first, second = (method(student, teacher, BATCH, 1.0) for _ in range(2))
    assert first == second
    first.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_two_classes_and_the_experiment_are_warned_of():
    (experimental,) = VLFKD(VIT, CNN).warnings()
    assert "experimental adaptation" in experimental
    two = VLFKD(dataclasses.replace(VIT, classes=2), dataclasses.replace(CNN, classes=2)).warnings()
    assert "always 0" in two[1]
    student, teacher = torch.randn(4, 2), torch.randn(4, 2)
    others = decoupled_loss(student, teacher, torch.tensor([0, 1, 0, 1]), temperature=1.0, target_weight=0.0)
    assert others.abs() < 1e-6


def test_a_cnn_is_refused_as_the_student_and_a_vit_as_the_teacher():
    with pytest.raises(ValueError, match="student has no patch tokens; this method teaches a ViT. Use a ViT"):
        VLFKD(CNN, CNN)
    with pytest.raises(ValueError, match="teacher has no stages of a CNN; this method distils a CNN. Use a CNN"):
        VLFKD(VIT, VIT)
