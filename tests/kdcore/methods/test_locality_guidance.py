import dataclasses

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.locality_guidance import LocalityGuidance, locality_guidance_loss
from kdcore.tensors.outputs import Batch, Outputs, Shapes

VIT = Shapes(classes=3, pooled=8, features=((8, 6, 6),) * 12, attention=((2, 6, 6),) * 12, tokens=True)
CNN = Shapes(classes=3, pooled=8, features=((4, 16, 16), (6, 8, 8), (7, 4, 4)), attention=())
BATCH = Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.tensor([0, 1]))


def outputs(shapes: Shapes) -> Outputs:
    features = tuple(torch.randn(2, *s, requires_grad=True) for s in shapes.features)
    return Outputs(torch.randn(2, 3), torch.randn(2, 8), features)


def official(student, teacher, transforms, student_index, teacher_index):
    """lkhl/tiny-transformers pycls/models/distill.py, guidance_loss with INTER_TRANSFORM linear."""
    loss_inter = torch.tensor(0.0)
    for i, (idx_t, idx_s) in enumerate(zip(teacher_index, student_index, strict=True)):
        feat_t, feat_s = teacher[idx_t], transforms[i](student[idx_s])
        dsize = (max(feat_t.size(-2), feat_s.size(-2)), max(feat_t.size(-1), feat_s.size(-1)))
        feat_t = F.interpolate(feat_t, dsize, mode="bilinear", align_corners=False)
        feat_s = F.interpolate(feat_s, dsize, mode="bilinear", align_corners=False)
        loss_inter = loss_inter + (feat_t - feat_s).pow(2).mean()
    return loss_inter


def test_value_worked_by_hand():
    student, teacher = torch.tensor([[[[1.0]]]]), torch.tensor([[[[0.0, 4.0]]]])  # the student is scaled up to (1, 1)
    assert locality_guidance_loss(student, teacher).item() == (1 + 9) / 2


def test_value_and_gradient_are_those_of_the_authors_code():
    torch.manual_seed(0)
    method, student, teacher = LocalityGuidance(VIT, CNN), outputs(VIT), outputs(CNN)
    ours = method(student, teacher, BATCH, 1.0)
    theirs = official(student.features, teacher.features, method.projections, [0, 6, 11], [0, 1, 2])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    leaves = [student.features[0], student.features[6], student.features[11], *method.parameters()]
    gradients = [torch.autograd.grad(loss, leaves) for loss in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_is_zero_where_the_projection_gives_the_teacher_s_map():
    features = torch.randn(2, 4, 5, 5)
    assert locality_guidance_loss(features, features) == 0


def test_a_constant_map_is_the_same_on_every_grid():
    student, teacher = torch.full((2, 3, 4, 4), 2.0), torch.full((2, 3, 7, 9), 5.0)
    torch.testing.assert_close(locality_guidance_loss(student, teacher), torch.tensor(9.0))
    torch.testing.assert_close(locality_guidance_loss(teacher, student), torch.tensor(9.0))


@pytest.mark.parametrize(
    "blocks, stages, pairs",
    [
        (12, 3, [(0, 0), (6, 1), (11, 2)]),  # the authors' choice for DeiT-Tiny and ResNet-56
        (6, 5, [(0, 2), (3, 3), (5, 4)]),
        (4, 2, [(0, 0), (3, 1)]),
        (4, 1, [(3, 0)]),
    ],
)
def test_blocks_are_spread_over_the_teacher_s_last_stages(blocks, stages, pairs):
    student = dataclasses.replace(VIT, features=VIT.features[:1] * blocks)
    teacher = dataclasses.replace(CNN, features=CNN.features[:1] * stages)
    assert LocalityGuidance(student, teacher).pairs == pairs


def test_a_cnn_is_refused_as_the_student_and_a_vit_as_the_teacher():
    with pytest.raises(
        ValueError, match="student has no patch tokens.* Use a ViT as the student, or the method fitnets"
    ):
        LocalityGuidance(CNN, CNN)
    with pytest.raises(
        ValueError, match="the teacher has no stages of a CNN.* Use a CNN such as resnet56 as the teacher"
    ):
        LocalityGuidance(VIT, VIT)
    with pytest.raises(ValueError, match="the teacher has 3 feature maps, so there is no number -4"):
        LocalityGuidance(VIT, CNN, pairs=[(0, -4)])
