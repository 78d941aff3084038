"""What every method owes, proved over the folder."""

import dataclasses

import pytest
import torch

from kdcore import methods
from kdcore.methods.base import Method
from kdcore.outputs import Batch, Outputs, Shapes
from kdcore.recipe import Term

VIT = Shapes(
    classes=5, pooled=8, features=((8, 4, 4),) * 4, attention=((2, 4, 4),) * 4, tokens=True, qkv=(2, 4, 4, 4)
)
CNN = Shapes(classes=5, pooled=6, features=((4, 8, 8), (6, 4, 4)), attention=(), dense=(4, 4))
BATCH = Batch(torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4, -1]), torch.arange(6))
TRAIN_TARGETS = torch.tensor([0, 1, 2, 3, 4, -1] * 4)  # the batch is its first images
PAIRINGS = {"cnn-to-vit": (VIT, CNN), "vit-to-cnn": (CNN, VIT), "cnn-to-cnn": (CNN, CNN), "vit-to-vit": (VIT, VIT)}


def outputs(shapes: Shapes, images: int, *, leaf: bool) -> Outputs:
    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(images, *shape, requires_grad=leaf)

    attention = tuple(tensor(*s) for s in shapes.attention)
    return Outputs(
        tensor(shapes.classes),
        tensor(shapes.pooled),
        tuple(tensor(*s) for s in shapes.features),
        tuple(a.flatten(2).softmax(-1).reshape(a.shape) * 0.9 for a in attention),
        dense=tensor(shapes.classes, *shapes.dense) if shapes.dense else None,
        qkv=tensor(3, *shapes.qkv) if shapes.qkv else None,
    )


def leaves(said: Outputs | None) -> list[torch.Tensor]:
    """Everything that a gradient may reach; a ViT's attention, which is inside a softmax, by its first block."""
    if said is None:
        return []
    one = [said.logits, said.pooled, *said.features, said.dense, said.qkv]
    return [t for t in one if t is not None] + leaves(said.views)


def build(name: str, student: Shapes, teacher: Shapes) -> Method:
    torch.manual_seed(0)
    method = methods.build(Term(method=name), student, teacher)
    method.see_data(TRAIN_TARGETS)
    return method


def a_pairing(name: str) -> tuple[Shapes, Shapes]:
    """A pairing that the method allows."""
    for pairing in PAIRINGS.values():
        try:
            build(name, *pairing)
        except ValueError:
            continue
        return pairing
    raise AssertionError(f"{name} refuses every pairing")


def loss_of(method: Method, ours: Shapes, theirs: Shapes, *, leaf: bool) -> tuple[torch.Tensor, Outputs, Outputs]:
    views = method.views(BATCH.images) if method.has_views else None
    images = len(BATCH.images) + (0 if views is None else len(views))
    student, teacher = outputs(ours, images, leaf=True), outputs(theirs, images, leaf=leaf)
    batch = dataclasses.replace(BATCH, views=views)
    if views is None:
        return method(student, teacher, batch, 4.0), student, teacher
    told = student.split(len(BATCH.images)), teacher.split(len(BATCH.images))
    return method(*told, batch, 4.0), student, teacher


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("name", methods.names())
def test_gives_a_finite_scalar_whose_gradient_reaches_the_student_or_refuses_with_a_reason(name, pairing):
    ours, theirs = PAIRINGS[pairing]
    try:
        method = build(name, ours, theirs)
    except ValueError as refused:
        assert len(str(refused)) > 60, "a refusal says what does not fit and what would"
        return
    loss, student, _ = loss_of(method, ours, theirs, leaf=False)
    assert loss.shape == ()
    assert loss.isfinite()
    loss.backward()
    reached = [t.grad is not None and bool(t.grad.abs().sum() > 0) for t in leaves(student)]
    through_attention = bool(ours.attention) and "attention" in method.needs  # its leaves are inside the softmax
    assert any(reached) or through_attention


@pytest.mark.parametrize("name", methods.names())
def test_everything_it_owns_learns(name):
    ours, theirs = a_pairing(name)
    method = build(name, ours, theirs)
    parameters = [p for p in method.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, lr=0.1) if parameters else None
    for _ in range(2):
        if optimizer:
            optimizer.zero_grad()
            loss_of(method, ours, theirs, leaf=False)[0].backward()
            optimizer.step()
    # a bias just before a BatchNorm is the one thing that cannot matter
    moved = [not torch.equal(a, b) for a, b in zip(before, parameters, strict=True) if b.ndim > 1]
    assert all(moved)


@pytest.mark.parametrize("name", methods.names())
def test_what_it_remembers_is_in_its_state(name):
    ours, theirs = a_pairing(name)
    method, other = build(name, ours, theirs), build(name, ours, theirs)
    if method.training:
        loss_of(method, ours, theirs, leaf=False)
    other.load_state_dict(method.state_dict())  # strict: the same shapes before and after a step
    for key, value in method.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value)


@pytest.mark.parametrize("name", methods.names())
def test_says_what_it_needs_and_where_it_comes_from(name):
    method = methods.get(name)
    assert method.needs <= {"logits", "pooled", "features", "attention", "dense", "qkv"}
    card = method.card
    assert all([card.title, card.summary, card.formula, card.paper, card.source, card.use, card.avoid])
    assert card.url.startswith("https://")
    assert card.weight > 0
    assert (card.temperature is not None) == method.uses_temperature
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
