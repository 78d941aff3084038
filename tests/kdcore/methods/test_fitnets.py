import pytest
import torch

from kdcore.methods.fitnets import FitNets, fitnets_loss, standardised
from kdcore.outputs import Batch, Outputs, Shapes

STUDENT = Shapes(classes=3, pooled=8, features=((4, 16, 16), (6, 8, 8)), attention=())
TEACHER = Shapes(
    classes=3, pooled=8, features=((5, 16, 16), (7, 8, 8), (9, 4, 4), (3, 32, 32), (2, 5, 5)), attention=()
)
BATCH = Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.tensor([0, 1]))


def outputs(shapes: Shapes) -> Outputs:
    return Outputs(torch.randn(2, 3), torch.randn(2, 8), tuple(torch.randn(2, *s) for s in shapes.features))


def test_value_worked_by_hand():
    student = torch.tensor([[[[1.0, 2.0]]]])
    teacher = torch.tensor([[[[0.0, 4.0]]]])
    assert fitnets_loss(student, teacher).item() == (1 + 4) / 2


def test_standardised_channels_have_mean_zero_and_variance_one():
    features = standardised(torch.randn(4, 3, 5, 5) * torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1) + 7)
    torch.testing.assert_close(features.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.var(dim=(0, 2, 3), unbiased=False), torch.ones(3), atol=1e-3, rtol=0)


def test_ignores_the_scale_of_the_teacher():
    method, student, teacher = FitNets(STUDENT, TEACHER, pairs=[(1, 1)]), outputs(STUDENT), outputs(TEACHER)
    louder = Outputs(teacher.logits, teacher.pooled, tuple(50 * f for f in teacher.features))
    torch.testing.assert_close(
        method(student, teacher, BATCH, 1.0), method(student, louder, BATCH, 1.0), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("align", ["regressor", "bilinear"])
@pytest.mark.parametrize("theirs", range(5))
def test_every_pair_of_grids_meets(align, theirs):
    method = FitNets(STUDENT, TEACHER, pairs=[(1, theirs)], align=align)
    loss = method(outputs(STUDENT), outputs(TEACHER), BATCH, 1.0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None for p in method.parameters())


def test_signed_targets_can_be_reached_without_a_relu():
    method = FitNets(STUDENT, TEACHER, pairs=[(1, 1)])
    assert method.regressors[0](torch.randn(2, 6, 8, 8)).min() < 0
    with pytest.raises(ValueError, match="ReLU cannot reach standardised"):
        FitNets(STUDENT, TEACHER, relu=True)


def test_a_pair_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="the student has 2 feature maps, so there is no number 2"):
        FitNets(STUDENT, TEACHER, pairs=[(2, 0)])
