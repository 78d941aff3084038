import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.sskd import SSKD, rotated, similarities, sskd_loss, trusted
from kdcore.models import build
from kdcore.models.teacher import Teacher
from kdcore.recipe import ModelRecipe
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

STUDENT = Shapes(classes=7, pooled=6, features=((6, 4, 4),), attention=())
TEACHER = Shapes(classes=7, pooled=9, features=((9, 4, 4),), attention=())


def outputs(images: int, shapes: Shapes) -> Outputs:
    said = Outputs(torch.randn(4 * images, shapes.classes), torch.randn(4 * images, shapes.pooled))
    return said.split(images)


def batch_of(targets: list[int]) -> Batch:
    return Batch(torch.rand(len(targets), 3, 8, 8), torch.tensor(targets), torch.arange(len(targets)))


def authors_indices(knowledge: torch.Tensor, target: torch.Tensor, ratio: float) -> torch.Tensor:
    """The authors' ranking of errors; the sort is made stable, so that equal ranks are not left to chance."""
    rank = torch.argsort(knowledge, dim=1, descending=True)
    rank = torch.argmax(torch.eq(rank, target.unsqueeze(1)).long(), dim=1)
    index = torch.argsort(rank, stable=True)
    wrong_num = torch.nonzero(rank, as_tuple=True)[0].numel()
    correct_num = len(target) - wrong_num
    return torch.sort(index[: correct_num + int(wrong_num * ratio)])[0]


def authors_similarity(aug: torch.Tensor, nor: torch.Tensor) -> torch.Tensor:
    batch = len(nor)
    nor = nor.unsqueeze(2).expand(-1, -1, 3 * batch).transpose(0, 2)
    aug = aug.unsqueeze(2).expand(-1, -1, 1 * batch)
    return F.cosine_similarity(aug, nor, dim=1)


@pytest.mark.parametrize(("logits", "similar"), [(1.0, 0.75), (0.3, 0.0), (0.0, 1.0)])
def test_value_and_gradient_are_those_of_the_authors_code(logits, similar):
    torch.manual_seed(3)
    method = SSKD(STUDENT, TEACHER, views_share=logits, similarity_share=similar)
    batch, said, told = batch_of([0, 1, 2, 3, 4, 5]), outputs(6, STUDENT), outputs(6, TEACHER)
    loss = method(said, told, batch, 4.0)

    target = batch.targets.repeat(3)  # views are ordered by rotation here, by image in the authors' code
    log_aug = F.log_softmax(said.views.logits / 4.0, dim=1)
    knowledge = F.softmax(told.views.logits / 4.0, dim=1)
    tf = authors_indices(knowledge, target, logits)
    s_simi = authors_similarity(method.head_student(said.views.pooled), method.head_student(said.pooled))
    t_simi = authors_similarity(method.head_teacher(told.views.pooled), method.head_teacher(told.pooled)).detach()
    ss = authors_indices(t_simi, torch.arange(6).repeat(3), similar)
    loss3 = F.kl_div(log_aug[tf], knowledge[tf], reduction="batchmean") * 4.0 * 4.0
    log_simi, simi_knowledge = F.log_softmax(s_simi / 0.5, dim=1), F.softmax(t_simi / 0.5, dim=1)
    loss4 = F.kl_div(log_simi[ss], simi_knowledge[ss], reduction="batchmean") * 0.5 * 0.5
    expected = 2.7 * loss3 + 10.0 * loss4

    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    learned = list(method.head_student.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(loss, learned), torch.autograd.grad(expected, learned), rtol=1e-5, atol=1e-5
    )


def test_value_worked_by_hand():
    student, teacher = torch.zeros(2, 2), torch.tensor([[math.log(3.0), 0.0], [5.0, 0.0]])
    follow = torch.tensor([True, False])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    torch.testing.assert_close(sskd_loss(student, teacher, follow, temperature=1.0), torch.tensor(expected))


def test_the_views_are_quarter_turns_in_the_order_of_the_targets_repeated():
    images = torch.rand(2, 3, 4, 4)
    views = rotated(images)
    assert views.shape == (6, 3, 4, 4)
    for image in range(2):
        for turns in (1, 2, 3):
            view = views[2 * (turns - 1) + image]
            assert torch.equal(view.rot90(4 - turns, dims=(1, 2)), images[image])


def test_all_right_answers_are_followed_and_of_the_wrong_ones_the_nearest_to_right():
    answers = torch.tensor([[0.0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [1, 2, 0]])
    targets = torch.tensor([0, 0, 0, 0, NO_LABEL])  # ranked third, first, second, third, and nobody knows
    assert trusted(answers, targets, share=0.0).tolist() == [False, True, False, False, True]
    assert trusted(answers, targets, share=0.34).tolist() == [False, True, True, False, True]
    assert trusted(answers, targets, share=1.0).all()


def test_a_batch_in_which_nothing_can_be_followed_gives_zero_and_no_nan():
    student = torch.randn(3, 4, requires_grad=True)
    loss = sskd_loss(student, torch.randn(3, 4), torch.zeros(3, dtype=torch.bool), temperature=4.0)
    loss.backward()
    assert loss == 0
    assert student.grad.abs().max() == 0


def test_a_student_that_says_what_the_teacher_says_has_no_loss():
    method, said, batch = SSKD(STUDENT, STUDENT), outputs(4, STUDENT), batch_of([0, 1, NO_LABEL, 2])
    method.head_student.load_state_dict(method.head_teacher.state_dict())
    assert method(said, said, batch, 4.0).abs() < 1e-5
    assert method.figures() == pytest.approx({"views": 0.0, "similarity": 0.0}, abs=1e-6)


def test_withheld_labels_change_nothing_while_all_answers_are_followed():
    method, said, told = SSKD(STUDENT, TEACHER), outputs(4, STUDENT), outputs(4, TEACHER)
    some, none = batch_of([0, 1, 2, 3]), batch_of([NO_LABEL] * 4)
    torch.testing.assert_close(method(said, told, some, 4.0), method(said, told, none, 4.0))


def test_the_teacher_s_head_learns_to_find_rotated_images_and_is_frozen_before_and_after():
    torch.manual_seed(0)
    classes = tuple("abc")
    model = build(ModelRecipe(model="three_stage_cnn_16"), classes, 16)
    teacher, shapes = Teacher(model), model.shapes()
    method = SSKD(shapes, shapes, head_steps=60)
    batches = [Batch(torch.rand(8, 1, 2, 2).repeat(1, 3, 8, 8) * torch.rand(8, 3, 1, 1), torch.zeros(8).long(),
                     torch.arange(8)) for _ in range(60)]  # fmt: skip
    assert not any(p.requires_grad for p in method.head_teacher.parameters())
    student = {name: p.clone() for name, p in method.head_student.named_parameters()}
    told = list(method.prepare(teacher, iter(batches)))
    assert not any(p.requires_grad for p in method.head_teacher.parameters())
    assert len(told) == 10
    assert told[-1].startswith("the teacher's head, step 60 of 60: ")
    found = [int(text.rpartition(": ")[2].partition("%")[0]) for text in told]
    assert found[-1] > max(found[0], 100 / 8)
    assert all(torch.equal(p, student[name]) for name, p in method.head_student.named_parameters())


def test_similarities_are_cosines():
    views, images = torch.randn(6, 5), torch.randn(2, 5)
    torch.testing.assert_close(similarities(views, images)[4, 1], F.cosine_similarity(views[4], images[1], dim=0))


def test_refusals_say_what_would_do():
    with pytest.raises(ValueError, match="similarity_share is a share .* from 0 to 1, not 75"):
        SSKD(STUDENT, TEACHER, similarity_share=75)
    with pytest.raises(ValueError, match="similarity_temperature must be above 0, not 0"):
        SSKD(STUDENT, TEACHER, similarity_temperature=0)
