"""What every method owes, proved over the folder."""

import pytest
import torch

from kdcore import methods
from kdcore.methods.base import Method
from kdcore.outputs import Batch, Outputs, Shapes
from kdcore.recipe import Term

VIT = Shapes(classes=5, pooled=8, features=((8, 4, 4),) * 4, attention=((2, 4, 4),) * 4)
CNN = Shapes(classes=5, pooled=6, features=((4, 8, 8), (6, 4, 4)), attention=())
BATCH = Batch(torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4, -1]), torch.arange(6))


def outputs(shapes: Shapes, *, leaf: bool) -> Outputs:
    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(6, *shape, requires_grad=leaf)

    attention = tuple(tensor(*s) for s in shapes.attention)
    return Outputs(
        tensor(shapes.classes),
        tensor(shapes.pooled),
        tuple(tensor(*s) for s in shapes.features),
        tuple(a.flatten(2).softmax(-1).reshape(a.shape) * 0.9 for a in attention),
    )


def leaves(said: Outputs) -> list[torch.Tensor]:
    return [said.logits, said.pooled, *said.features]


def build(name: str, student: Shapes, teacher: Shapes) -> Method:
    torch.manual_seed(0)
    return methods.build(Term(method=name), student, teacher)


@pytest.mark.parametrize(
    "pairing", [(CNN, VIT), (VIT, CNN), (CNN, CNN), (VIT, VIT)], ids=["to-cnn", "to-vit", "cnn", "vit"]
)
@pytest.mark.parametrize("name", methods.names())
def test_gives_a_finite_scalar_whose_gradient_reaches_the_student_alone(name, pairing):
    ours, theirs = pairing
    student, teacher = outputs(ours, leaf=True), outputs(theirs, leaf=True)
    loss = build(name, ours, theirs)(student, teacher, BATCH, 4.0)
    assert loss.shape == ()
    assert loss.isfinite()
    loss.backward()
    reached = [t.grad is not None and bool(t.grad.abs().sum() > 0) for t in leaves(student)]
    through_attention = bool(ours.attention) and name == "attention"  # its leaves are inside the softmax
    assert any(reached) or through_attention


@pytest.mark.parametrize("name", methods.names())
def test_everything_it_owns_learns(name):
    method = build(name, CNN, VIT)
    parameters = list(method.parameters())
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, lr=0.1) if parameters else None
    for _ in range(2):
        if optimizer:
            optimizer.zero_grad()
            method(outputs(CNN, leaf=True), outputs(VIT, leaf=False), BATCH, 4.0).backward()
            optimizer.step()
    # a bias just before a BatchNorm is the one thing that cannot matter
    moved = [not torch.equal(a, b) for a, b in zip(before, parameters, strict=True) if b.ndim > 1]
    assert all(moved)


@pytest.mark.parametrize("name", methods.names())
def test_says_what_it_needs_and_where_it_comes_from(name):
    method = methods.get(name)
    assert method.needs <= {"logits", "pooled", "features", "attention"}
    assert methods.importlib.import_module(f"kdcore.methods.{name}").__doc__


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Unknown method 'fitnet'. Did you mean 'fitnets'?"):
        methods.get("fitnet")


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no option 'varient'. Did you mean 'variant'"):
        methods.check(Term(method="kd", options={"varient": "kl"}))


def test_layers_are_refused_where_they_mean_nothing():
    with pytest.raises(ValueError, match="'kd' does not weigh layers"):
        methods.check(Term(method="kd", layers="entropy"))


def test_a_method_that_needs_a_teacher_is_refused_without_one():
    with pytest.raises(ValueError, match="'kd' needs a teacher"):
        methods.build(Term(method="kd"), CNN, None)
