"""What every method owes, proved over the folder."""

import dataclasses
import sys
from typing import get_type_hints

import pytest
import torch

from kdcore import methods
from kdcore.errors import UserError
from kdcore.methods.base import Method
from kdcore.recipe import Term
from kdcore.teacher_cache.rows import Layout
from kdcore.tensors.fields import extract, parts_of, restore
from kdcore.tensors.outputs import Batch, Outputs, Shapes

VIT = Shapes(classes=5, pooled=8, features=((8, 4, 4),) * 4, attention=((2, 4, 4),) * 4, tokens=True, qkv=(2, 4, 4, 4))
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


def loss_of(
    method: Method, ours: Shapes, theirs: Shapes, *, leaf: bool, temperature: float = 4.0, size: float = 1.0
) -> tuple[torch.Tensor, Outputs, Outputs]:
    views = method.views(BATCH.images) if method.has_views else None
    images = len(BATCH.images) + (0 if views is None else len(views))
    student, teacher = outputs(ours, images, leaf=True), outputs(theirs, images, leaf=leaf)
    batch = dataclasses.replace(BATCH, views=views)
    told = louder(student, size), louder(teacher, size)
    if views is not None:
        told = told[0].split(len(BATCH.images)), told[1].split(len(BATCH.images))
    return method(*told, batch, temperature), student, teacher


def louder(said: Outputs, size: float) -> Outputs:
    """The same with all logits multiplied."""
    dense = None if said.dense is None else size * said.dense
    return dataclasses.replace(said, logits=size * said.logits, dense=dense)


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("name", methods.names())
def test_gives_a_finite_scalar_whose_gradient_reaches_the_student_or_refuses_with_a_reason(name, pairing):
    ours, theirs = PAIRINGS[pairing]
    try:
        method = build(name, ours, theirs)
    except ValueError as refused:
        method, reason = None, str(refused)
    if method is None:
        assert len(reason) > 60, "a refusal says what does not fit and what would"
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


ON_LOGITS = [name for name in methods.names() if methods.get(name).needs == {"logits"}]


@pytest.mark.parametrize("name", ON_LOGITS)
def test_a_loss_of_logits_is_a_mean_over_the_images(name):
    """A sum over the batch, or a mean over classes too, is the commonest slip of all: it changes what a weight means."""
    method = build(name, CNN, CNN)
    ours, theirs = outputs(CNN, 6, leaf=False), outputs(CNN, 6, leaf=False)
    twice = dataclasses.replace(BATCH, targets=BATCH.targets.repeat(2), indices=BATCH.indices.repeat(2))
    again = [Outputs(said.logits.repeat(2, 1), said.pooled.repeat(2, 1)) for said in (ours, theirs)]
    torch.testing.assert_close(method(*again, twice, 4.0), method(ours, theirs, BATCH, 4.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ON_LOGITS)
def test_a_loss_of_logits_ignores_what_is_added_to_all_classes_alike(name):
    """Whoever takes logits for probabilities, or probabilities for logits, fails here."""
    method = build(name, CNN, CNN)
    ours, theirs = outputs(CNN, 6, leaf=False), outputs(CNN, 6, leaf=False)
    shifted = (
        dataclasses.replace(ours, logits=ours.logits + torch.randn(6, 1)),
        dataclasses.replace(theirs, logits=theirs.logits + torch.randn(6, 1)),
    )
    torch.testing.assert_close(method(*shifted, BATCH, 4.0), method(ours, theirs, BATCH, 4.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", methods.names())
def test_large_logits_leave_loss_and_gradient_finite(name):
    """log(softmax) is -inf where log_softmax is a number."""
    ours, theirs = a_pairing(name)
    loss, student, _ = loss_of(build(name, ours, theirs), ours, theirs, leaf=False, temperature=1.0, size=300.0)
    loss.backward()
    assert loss.isfinite()
    assert all(t.grad.isfinite().all() for t in leaves(student) if t.grad is not None)


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("name", [name for name in methods.names() if methods.get(name).uses_teacher])
def test_what_is_kept_of_the_teacher_gives_the_same_loss(name, pairing):
    """`reads` names all that is read: anything else is not there, and reading it fails."""
    try:
        method = build(name, *PAIRINGS[pairing])
    except ValueError:
        return  # a pairing that it refuses
    if method.has_views:
        return  # nothing is kept for it
    method.eval()  # so that the first of the two losses changes nothing
    student, teacher = (outputs(shapes, 6, leaf=False) for shapes in PAIRINGS[pairing])
    kept = parts_of(teacher, method.used_outputs())
    layout = Layout.of(extract(teacher, kept))
    again = restore(layout.unpack(layout.pack(extract(teacher, kept))), teacher)
    losses = []
    for said in (teacher, again):
        torch.manual_seed(1)
        losses.append(method(student, said, BATCH, 4.0))
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-6)


GROWS = {"dist": "correlations forget the scale that the squared temperature is there to make up for; published so"}


@pytest.mark.parametrize("name", [name for name in methods.names() if methods.get(name).uses_temperature])
def test_the_gradient_keeps_its_size_over_temperatures(name):
    """Softening both networks makes the gradient smaller by the temperature's square, which the loss puts back."""
    ours, theirs = a_pairing(name)
    norms = []
    for temperature in (1.0, 4.0, 20.0):
        method = build(name, ours, theirs)
        torch.manual_seed(1)
        loss, student, _ = loss_of(method, ours, theirs, leaf=False, temperature=temperature)
        loss.backward()
        norms.append(sum(t.grad.norm().item() for t in leaves(student) if t.grad is not None))
    if name in GROWS:
        assert norms[2] > 100 * norms[0], "it does not grow any more: take it out of GROWS"
    else:
        assert max(norms) < 2 * min(norms), f"gradients {norms} at temperatures 1, 4, 20: is its square missing?"


@pytest.mark.parametrize("name", methods.names())
def test_says_what_it_needs_and_where_it_comes_from(name):
    method = methods.get(name)
    module = sys.modules[method.__module__]
    method.check_part(module)  # as of plugins: the card, the needs, the options
    assert module.__doc__


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Unknown method 'fitnet'. Did you mean 'fitnets'?"):
        methods.get("fitnet")


@pytest.mark.parametrize(
    "method, option, most",
    [
        ("cat_kd", "resolution", 64),
        ("crd", "width", 4096),
        ("crd", "negatives", 100_000),
        ("vlfkd", "common", 4096),
        ("sskd", "head_steps", 100_000),
        ("fitnets", "select", 1000),
    ],
)
def test_an_option_that_sizes_layers_or_work_has_a_limit(method, option, most):
    methods.check(Term(method=method, options={option: most}))
    with pytest.raises(UserError, match=f"The option {option!r} of the term .* less than or equal to {most}"):
        methods.check(Term(method=method, options={option: most + 1}))


def test_every_whole_number_among_the_options_has_a_limit():
    for name in methods.names():
        hints = get_type_hints(methods.get(name).__init__, include_extras=True)
        for option, parameter in methods.options(name).items():
            if (
                type(parameter.default) is int and parameter.default >= 0
            ):  # a negative one is an index, checked when it is built
                with pytest.raises(UserError):
                    methods.check(Term(method=name, options={option: 10**7}))
            assert option in hints


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no option 'varient'. Did you mean 'variant'"):
        methods.check(Term(method="kd", options={"varient": "kl"}))


def test_layers_are_refused_where_they_mean_nothing():
    with pytest.raises(ValueError, match="'kd' does not weight layers"):
        methods.check(Term(method="kd", layers="entropy"))


def test_a_method_that_needs_a_teacher_is_refused_without_one():
    with pytest.raises(ValueError, match="'kd' needs a teacher"):
        methods.build(Term(method="kd"), CNN, None)
