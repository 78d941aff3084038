import pytest
import torch
from torch import nn

from kdcore.methods.fitnets import FitNets, fitnets_loss, similarity, standardised
from kdcore.models.teacher import Teacher
from kdcore.tensors.outputs import Batch, Outputs, Shapes

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


# --- several pairs, and choosing among them ---------------------------------------------------------------------------


def a_teacher(*variances: float) -> Teacher:
    """A teacher whose feature maps have these variances, whatever it sees."""

    class Known(nn.Module):
        def forward(self, images, needs):
            signs = torch.tensor([-1.0, 1.0]).repeat(images.shape[0], 1, 1, 1)  # [B, 1, 1, 2]
            maps = tuple(
                v**0.5 * signs.expand(-1, *s[:2], 2)[..., : s[2]] for v, s in zip(variances, FLAT, strict=True)
            )
            return Outputs(torch.zeros(len(images), 3), torch.zeros(len(images), 8), maps)

    return Teacher(Known())


FLAT = ((4, 2, 2), (5, 2, 2), (6, 2, 2))
SMALL = Shapes(classes=3, pooled=8, features=((3, 2, 2), (3, 2, 2)), attention=())
WIDE = Shapes(classes=3, pooled=8, features=FLAT, attention=())


def selecting(**options) -> FitNets:
    method = FitNets(SMALL, WIDE, select=2, **options)
    told = list(method.prepare(a_teacher(1.0, 5.0, 3.0), iter([BATCH] * 100)))
    assert told == ["hints come from the teacher's maps 1 and 2 (counted from 0), selected from 3 by variance."]
    return method


def test_all_pairs_go_by_depth_and_the_last_with_the_last():
    def pairs(ours: int, theirs: int) -> list[tuple[int, int]]:
        shapes = [Shapes(3, 8, ((4, 8, 8),) * count, ()) for count in (ours, theirs)]
        return FitNets(*shapes, pairs="all").pairs

    assert pairs(5, 5) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    assert pairs(5, 4) == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert pairs(2, 6) == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
    with pytest.raises(ValueError, match="pairs 'some' is neither 'all' nor a list such as"):
        FitNets(STUDENT, TEACHER, pairs="some")


def test_only_the_teacher_s_most_varied_maps_give_hints():
    method = selecting()
    student, teacher = outputs(SMALL), outputs(WIDE)
    method(student, teacher, BATCH, 1.0).backward()
    assert [r[0].weight.grad is not None for r in method.regressors] == [False, True, True]
    alone = FitNets(SMALL, WIDE, pairs=[method.pairs[1], method.pairs[2]])
    alone.regressors[0].load_state_dict(method.regressors[1].state_dict())
    alone.regressors[1].load_state_dict(method.regressors[2].state_dict())
    torch.testing.assert_close(method(student, teacher, BATCH, 1.0), alone(student, teacher, BATCH, 1.0))


def test_what_is_selected_changes_no_shape_of_the_state():
    before, after = FitNets(SMALL, WIDE, select=2), selecting()
    shapes = {key: value.shape for key, value in before.state_dict().items()}
    assert shapes == {key: value.shape for key, value in after.state_dict().items()}
    before.load_state_dict(after.state_dict())
    assert before.figures() == after.figures()


def test_every_so_many_epochs_a_clearly_better_map_takes_a_place():
    method = selecting(every=2)
    better = a_teacher(9.0, 5.0, 3.0)
    for _ in range(30):
        method(outputs(SMALL), better(BATCH.images), BATCH, 1.0)
    assert list(method.epoch_ended(1)) == []
    assert list(method.epoch_ended(2)) == [
        "hints come from the teacher's maps 0 and 1 (counted from 0), selected from 3 by variance."
    ]
    assert list(method.epoch_ended(2)) == []


def test_a_choice_made_once_is_kept():
    method = selecting()
    method(outputs(SMALL), a_teacher(9.0, 5.0, 3.0)(BATCH.images), BATCH, 1.0)
    assert list(method.epoch_ended(1)) == []


def test_the_ranking_is_told_with_every_score():
    figures = selecting().figures()
    assert [figures[f"variance/{layer}"] for layer in range(3)] == pytest.approx([1, 5, 3])
    assert [figures[f"kept/{layer}"] for layer in range(3)] == [0, 1, 1]
    assert [figures[f"spatial_variance/{layer}"] for layer in range(3)] == pytest.approx([1, 1, 1])
    assert [figures[f"coefficient_of_variation/{layer}"] for layer in range(3)] == pytest.approx([0, 0, 0])


def test_similarity_is_the_cosine_of_the_maps():
    same = torch.randn(2, 3, 4, 4)
    assert similarity(same, 7 * same).item() == pytest.approx(1)
    assert similarity(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0]]]])).item() == pytest.approx(0.5**0.5)
    method = FitNets(STUDENT, TEACHER, pairs=[(1, 1)])
    method(outputs(STUDENT), outputs(TEACHER), BATCH, 1.0)
    assert set(method.figures()) == {"similarity"}
    assert abs(method.figures()["similarity"]) < 0.5


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"select": 4}, "select is 4, and there are 3 feature maps"),
        ({"select": 1, "by": "depth"}, "by 'depth' is not one of variance, coefficient_of_variation, spatial_variance"),
        ({"every": 2}, "set `select`, for example to 3"),
    ],
)
def test_a_selection_that_cannot_be_made_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        FitNets(SMALL, WIDE, **options)
