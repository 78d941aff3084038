import math

import torch

from kdcore import models
from kdcore.methods.hard_label import HardLabel, hard_label_loss
from kdcore.recipe import ModelRecipe
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

SHAPES = Shapes(classes=3, pooled=4, features=(), attention=())
BATCH = Batch(torch.rand(2, 3, 8, 8), torch.full((2,), NO_LABEL), torch.arange(2))


def test_value_worked_by_hand():
    student = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])  # (3/4, 1/4) and (1/2, 1/2)
    teacher = torch.tensor([[5.0, 1.0], [-2.0, 7.0]])  # the first class, then the second
    torch.testing.assert_close(
        hard_label_loss(student, teacher), torch.tensor(-(math.log(3 / 4) + math.log(1 / 2)) / 2)
    )


def test_agrees_with_deit(agree):
    """facebookresearch/deit, losses.py, distillation_type 'hard'."""
    teacher = torch.randn(8, 10)

    def deit(outputs_kd):
        return torch.nn.functional.cross_entropy(outputs_kd, teacher.argmax(dim=1))

    agree(lambda student: hard_label_loss(student, teacher), deit, torch.randn(8, 10))


def test_only_the_teacher_s_first_place_counts():
    student, teacher = torch.randn(6, 5), torch.randn(6, 5)
    torch.testing.assert_close(hard_label_loss(student, 7 * teacher + 3), hard_label_loss(student, teacher))


def test_does_not_depend_on_how_often_the_batch_is_repeated():
    student, teacher = torch.randn(4, 5), torch.randn(4, 5)
    torch.testing.assert_close(
        hard_label_loss(student.repeat(2, 1), teacher.repeat(2, 1)), hard_label_loss(student, teacher)
    )


def test_the_distillation_token_learns_it_where_there_is_one_and_else_the_plain_logits():
    logits, token, teacher = (torch.randn(2, 3, requires_grad=True) for _ in range(3))
    pooled, said = torch.randn(2, 4), Outputs(teacher.detach(), torch.randn(2, 4))
    method = HardLabel(SHAPES, SHAPES)
    method(Outputs(logits, pooled, distilled_logits=token), said, BATCH, 1.0).backward()
    assert logits.grad is None
    assert token.grad.abs().sum() > 0
    method(Outputs(logits, pooled), said, BATCH, 1.0).backward()
    assert logits.grad.abs().sum() > 0


def test_of_a_distilled_deit_the_distillation_token_s_classifier_learns_it_alone():
    spec = ModelRecipe(model="deit_tiny_distilled_patch16_224", options={"depth": 1})
    deit = models.build(spec, tuple("abc"), 32).train()
    assert deit.shapes().distilled
    said = Outputs(torch.randn(2, 3), torch.randn(2, 4))
    HardLabel(deit.shapes(), SHAPES)(deit(torch.rand(2, 3, 32, 32)), said, BATCH, 1.0).backward()
    assert deit.net.head_dist.weight.grad.abs().sum() > 0
    assert deit.net.head.weight.grad is None


def test_images_without_a_label_teach_too():
    student = torch.randn(2, 3)
    said = Outputs(torch.randn(2, 3), torch.randn(2, 4))
    loss = HardLabel(SHAPES, SHAPES)(Outputs(student, torch.randn(2, 4)), said, BATCH, 1.0)
    torch.testing.assert_close(loss, hard_label_loss(student, said.logits))
