import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.cskd import CSKD, LOCAL_SHARE, cskd_loss, cumulative_target
from kdcore.models import build
from kdcore.recipe import ModelRecipe
from kdcore.tensors.outputs import Batch, Outputs, Shapes

VIT = Shapes(classes=5, pooled=8, features=((8, 4, 4),) * 2, attention=((2, 4, 4),) * 2, tokens=True)
CNN = Shapes(classes=5, pooled=6, features=((6, 2, 2),), attention=(), dense=(2, 2))


def authors_loss(student, dense, progress, kind, decay, temperature):
    """The authors' get_loss_cskd, which takes the student's logits on the teacher's grid."""
    x = progress
    ratio = {"linear": 1 - x, "square": (1 - x) ** 2, "cosine": math.cos(math.pi * 0.5 * x)}[decay]
    whole = dense.mean(dim=(2, 3))
    n, c = whole.shape
    target = ratio * dense + (1 - ratio) * whole.reshape(n, c, 1, 1)
    if kind == "hard":
        return F.cross_entropy(student, target.argmax(dim=1))
    log_student, log_target = (F.log_softmax(z / temperature, dim=1) for z in (student, target))
    loss = F.kl_div(log_student, log_target, reduction="sum", log_target=True)
    return loss * (temperature * temperature) / student.size(0)


@pytest.mark.parametrize("decay", LOCAL_SHARE)
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_value_and_gradient_are_those_of_the_authors_code_but_for_the_mean_over_places(kind, decay):
    student, dense = torch.randn(3, 5, 7, 7, requires_grad=True), torch.randn(3, 5, 7, 7)
    for progress in (0.0, 0.3, 1.0):
        target = cumulative_target(dense, local=LOCAL_SHARE[decay](progress))
        loss = cskd_loss(student, target, temperature=None if kind == "hard" else 2.0)
        expected = authors_loss(student, dense, progress, kind, decay, 2.0) / (1 if kind == "hard" else 49)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            torch.autograd.grad(loss, student), torch.autograd.grad(expected, student), rtol=1e-5, atol=1e-5
        )


def test_value_worked_by_hand():
    student = torch.zeros(1, 2, 1, 2)
    target = torch.tensor(
        [[[[math.log(3.0), 0.0]], [[0.0, 0.0]]]]
    )  # probabilities 3/4, 1/4 at one place; even at the other
    one = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    torch.testing.assert_close(cskd_loss(student, target), torch.tensor(math.log(2.0)))
    torch.testing.assert_close(cskd_loss(student, target, temperature=1.0), torch.tensor(one / 2))


def test_goes_from_the_places_to_the_whole_as_the_run_proceeds():
    student = Outputs(torch.randn(3, 5), torch.randn(3, 8), tuple(torch.randn(3, 8, 4, 4) for _ in range(2)))
    dense = torch.randn(3, 5, 2, 2)
    teacher = Outputs(dense.mean(dim=(2, 3)), torch.randn(3, 6), dense=dense)
    method, start = CSKD(VIT, CNN), Batch(torch.rand(3, 3, 8, 8), torch.tensor([0, 1, -1]), torch.arange(3))
    ours = F.adaptive_avg_pool2d(
        method.head(method.norm(student.features[-1].permute(0, 2, 3, 1))).permute(0, 3, 1, 2), 2
    )
    end = dataclasses.replace(start, progress=1.0)
    places = F.cross_entropy(ours, dense.argmax(1))
    whole = F.cross_entropy(ours, teacher.logits.argmax(1)[:, None, None].expand(3, 2, 2))
    torch.testing.assert_close(method(student, teacher, start, 1.0), places)
    torch.testing.assert_close(method(student, teacher, end, 1.0), whole)


def test_the_finer_grid_is_pooled_whichever_network_has_it():
    student = Outputs(torch.randn(2, 5), torch.randn(2, 8), (torch.randn(2, 8, 4, 4),))
    batch = Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.arange(2))
    for side in (2, 4, 8):
        method = CSKD(VIT, dataclasses.replace(CNN, dense=(side, side)), variant="soft")
        dense = torch.randn(2, 5, side, side)
        ours = method.head(method.norm(student.features[-1].permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        coarse = min(side, 4)
        pooled = [F.avg_pool2d(logits, logits.shape[-1] // coarse) for logits in (ours, dense)]
        teacher = Outputs(dense.mean(dim=(2, 3)), torch.randn(2, 6), dense=dense)
        expected = authors_loss(*pooled, 0.0, "soft", "linear", 1.0) / coarse**2
        torch.testing.assert_close(method(student, teacher, batch, 1.0), expected, rtol=1e-5, atol=1e-5)


def test_a_real_cnn_s_places_are_its_own_classifier_s_and_average_to_its_answer():
    model = build(ModelRecipe(model="three_stage_cnn_16"), tuple("abc"), 32).eval()
    said = model(torch.rand(2, 3, 32, 32), CSKD.needs)
    assert said.dense.shape[2:] == said.features[-1].shape[2:]
    torch.testing.assert_close(said.dense.mean(dim=(2, 3)), said.logits)
    place = said.features[-1][1, :, 2, 3]
    torch.testing.assert_close(said.dense[1, :, 2, 3], model.net.head(place))


def test_a_class_token_vit_is_refused_as_teacher_with_the_reason():
    for student in (VIT, CNN):
        with pytest.raises(ValueError, match="never trained on patch tokens. Use a CNN that averages its last map"):
            CSKD(student, VIT)
    model = build(
        ModelRecipe(model="small_vit_patch4_32", options={"dim": 16, "depth": 1, "heads": 2}), tuple("abc"), 32
    )
    assert model.shapes().dense is None


def test_a_cnn_is_refused_as_student_with_the_reason():
    with pytest.raises(ValueError, match="no patch tokens: CSKD distils a CNN into a ViT. Use a ViT"):
        CSKD(CNN, CNN)


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="'medium' is not one of 'hard', 'soft'"):
        CSKD(VIT, CNN, variant="medium")
    with pytest.raises(ValueError, match="'cubic' is not one of linear, square, cosine"):
        CSKD(VIT, CNN, decay="cubic")
