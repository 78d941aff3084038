import pytest
import torch

from kdcore import methods, models
from kdcore.methods.attention import Attention
from kdcore.models.teacher import Teacher
from kdcore.recipe import ModelRecipe, Term
from kdcore.runtime import mixed_precision
from kdcore.tensors.outputs import Batch
from kdcore.training.distiller import Distiller

CLASSES = tuple("abcde")
VIT = ModelRecipe(model="small_vit_patch4_32", options={"dim": 32, "depth": 2, "heads": 2})
CNN = ModelRecipe(model="three_stage_cnn_16")


def made(terms: list[Term], precision: str = "exact") -> tuple[Distiller, Teacher, Batch]:
    torch.manual_seed(0)
    teacher = Teacher(models.build(VIT, CLASSES, 32))
    student = models.build(CNN, CLASSES, 32)
    built = {term.label: methods.build(term, student.shapes(), teacher.model.shapes()) for term in terms}
    return (
        Distiller(student, built, precision=precision).train(),
        teacher,
        Batch(torch.rand(4, 3, 32, 32), torch.arange(4), torch.arange(4)),
    )


def test_the_total_is_the_weighted_sum_of_the_terms():
    distiller, teacher, batch = made([Term(method="ce"), Term(method="kd"), Term(method="kd", name="soft")])
    weights = {"ce": 0.2, "kd": 0.5, "soft": 2.0}
    said = teacher(batch.images, distiller.needs)
    objective, outputs = distiller(batch, said, weights, {"ce": 1.0, "kd": 2.0, "soft": 8.0})
    expected = sum(weights[name] * objective.losses[name] for name in weights)
    torch.testing.assert_close(objective.total, expected)
    assert objective.losses["kd"] != objective.losses["soft"]
    assert outputs.logits.shape == (4, 5)


@pytest.mark.parametrize("name", ["kd 0.5", ".", "keys", "training", "type", "a.weight", "term kd%2E5", "温度"])
def test_a_term_has_any_name(name):
    """torch allows no dot in a module's name, nor the names of its own attributes."""
    distiller, teacher, batch = made([Term(method="ce"), Term(method="fitnets", name=name)])
    again = made([Term(method="ce"), Term(method="fitnets", name=name)])[0]
    again.load_state_dict(distiller.state_dict())
    ones = {"ce": 1.0, name: 1.0}
    objective, _ = distiller(batch, teacher(batch.images, distiller.needs), ones, ones)
    assert list(objective.losses) == list(distiller.terms) == ["ce", name]
    assert distiller.method(name) is distiller.terms[name]
    assert objective.total == sum(objective.losses.values())


def test_usual_names_are_those_of_checkpoints():
    distiller = made([Term(method="fitnets"), Term(method="fitnets", name="soft hints")])[0]
    assert {key.partition(".")[0] for key in distiller.methods.state_dict()} == {"fitnets", "soft hints"}


def test_asks_only_for_what_its_terms_need():
    assert made([Term(method="kd")])[0].needs == {"logits"}
    assert made([Term(method="attention")])[0].needs == {"logits", "attention", "features"}


def test_the_teacher_is_no_part_of_what_learns():
    distiller, teacher, _ = made([Term(method="fitnets")])
    ours = {id(p) for p in distiller.parameters()}
    assert not ours & {id(p) for p in teacher.parameters()}
    assert len(ours) > len(list(distiller.student.parameters()))  # the regressors learn too


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_losses_are_computed_in_float32(precision):
    distiller, teacher, batch = made([Term(method="kd")], precision)
    objective, _ = distiller(batch, teacher(batch.images), {"kd": 1.0}, {"kd": 4.0})
    assert objective.losses["kd"].dtype == torch.float32
    objective.total.backward()
    assert all(p.grad.dtype == torch.float32 for p in distiller.parameters())


def test_maps_that_no_term_wants_in_float32_stay_as_they_are():
    alone = made([Term(method="ce"), Term(method="kd"), Term(method="attention")], "fast")[0]
    shared = made([Term(method="attention"), Term(method="fitnets")], "fast")[0]
    assert (alone.bfloat16_outputs, shared.bfloat16_outputs) == ({"features"}, set())


def test_a_loss_of_narrow_maps_is_that_of_wide_ones(monkeypatch):
    """bfloat16 numbers are float32 numbers, and an energy is added up in float32."""
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda device: True)
    distiller, teacher, batch = made([Term(method="attention")], "fast")
    distiller.student.eval()
    weights, temperatures, said = {"attention": 1.0}, {"attention": 1.0}, teacher(batch.images, distiller.needs)
    narrow, outputs = distiller(batch, said, weights, temperatures)
    assert {features.dtype for features in outputs.features} == {torch.bfloat16}
    monkeypatch.setattr(Attention, "accepts_bfloat16", frozenset())
    wide, outputs = distiller(batch, said, weights, temperatures)
    assert {features.dtype for features in outputs.features} == {torch.float32}
    torch.testing.assert_close(narrow.total, wide.total, rtol=1e-5, atol=0)
