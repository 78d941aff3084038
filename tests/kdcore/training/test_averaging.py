"""Averaged weights (EMA): PyTorch's own average, evaluated and saved, to the bit after a resume."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kdcore import models
from kdcore.events import CheckpointReady, Evaluated, Noted
from kdcore.recipe import ModelRecipe
from kdcore.training import evaluation
from kdcore.training.averaging import Averaged
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built

ADAM = {"name": "adamw", "lr": 4e-3, "ema": 0.9}


def copied(value):
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def averaging(tiny):
    """A short run with averaged weights: its parts, events, and the states of its checkpoints."""
    recipe = tiny(optimizer=ADAM, probes={"images": 0}, checkpoint_every=0.4)
    parts, events, states = built(recipe), [], []
    for event in train(parts):
        events.append(event)
        if isinstance(event, CheckpointReady):
            states.append((event.step, copied(event.state)))
    return recipe, parts, events, states


def test_the_average_is_pytorch_s():
    torch.manual_seed(0)
    network = models.build(ModelRecipe(model="three_stage_cnn_16"), ("a", "b"), 16)
    own = Averaged(network, decay=0.3)  # the warm-up is over after the first step: 1 - 2 ** (-2 / 3) is 0.37
    expected = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.3), use_buffers=True)
    for step in range(1, 6):
        for value in network.state_dict().values():
            value.copy_(torch.rand_like(value) if value.is_floating_point() else value + 1)
        own.update(network, step)
        expected.update_parameters(network)
    for name, value in own.network.state_dict().items():
        other = expected.module if value.is_floating_point() else network  # counters are those of the last step
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-6, atol=1e-7)
    assert not same(own.network.state_dict(), network.state_dict())


@pytest.mark.parametrize(("step", "share"), [(1, 1.0), (2, 2 ** (-2 / 3)), (8, 1 / 4), (1000, 0.1)])
def test_the_first_weights_are_forgotten_before_the_decay_is_reached(step, share):
    network = models.build(ModelRecipe(model="three_stage_cnn_16"), ("a", "b"), 16)
    own = Averaged(network, decay=0.9)
    for value in own.network.parameters():
        value.data.zero_()
    for value in network.parameters():
        value.data.fill_(1.0)
    own.update(network, step)
    assert all(torch.allclose(value, torch.tensor(share)) for value in own.network.parameters())


def test_training_itself_is_the_same_with_and_without_an_average(averaging, tiny):
    _, parts, _, _ = averaging
    plain = built(tiny(optimizer={**ADAM, "ema": 0}, probes={"images": 0}))
    list(train(plain))
    for name in ("student", "twin"):
        learner = parts.learners[name]
        assert same(learner.distiller.student.state_dict(), plain.learners[name].distiller.student.state_dict())
        assert not same(learner.network.state_dict(), learner.distiller.student.state_dict())


def test_student_and_twin_are_evaluated_with_their_averages(averaging):
    recipe, parts, events, _ = averaging
    measured = [event for event in events if isinstance(event, Evaluated)][-1].metrics
    for name in ("student", "twin"):
        own = evaluation.evaluate(parts.learners[name].network, parts.validation, precision=recipe.precision)
        assert measured[name]["nll"] == pytest.approx(own["nll"])
        assert evaluation.evaluate(parts.learners[name].distiller.student, parts.validation)["nll"] != own["nll"]
    (text,) = [event.text for event in events if isinstance(event, Noted) and "Averaged" in event.text]
    assert text.startswith(
        "Averaged weights (optimizer.ema: 0.9) are evaluated and saved. On the validation images: student "
    )
    assert "; twin " in text
    assert "with the weights of the last step" in text


def test_a_checkpoint_has_the_average_as_the_student_and_resumes_to_the_bit(averaging):
    recipe, whole, _, states = averaging
    step, state = states[1]
    assert 0 < step < whole.steps
    assert not same(state["student"], state["student_of_last_step"])
    resumed = built(recipe)
    resumed.load_state(copied(state))
    assert same(resumed.student.network.state_dict(), state["student"])
    list(train(resumed))
    for name in ("student", "twin"):
        assert same(resumed.learners[name].network.state_dict(), whole.learners[name].network.state_dict())
        expected = whole.learners[name].distiller.student.state_dict()
        assert same(resumed.learners[name].distiller.student.state_dict(), expected)


def test_a_fork_may_begin_or_leave_out_the_average(averaging, tiny):
    _, _, _, states = averaging
    _, state = states[1]
    without = built(tiny(optimizer={**ADAM, "ema": 0}, probes={"images": 0}))
    without.load_state(copied(state))
    assert same(without.student.network.state_dict(), state["student_of_last_step"])
    begun = built(tiny(optimizer=ADAM, probes={"images": 0}))
    begun.load_state(copied(without.state()))
    assert same(begun.student.network.state_dict(), state["student_of_last_step"])
    assert begun.student.averaged is not None


def test_the_average_is_no_part_of_what_learns(averaging):
    _, parts, _, _ = averaging
    learned = {id(each) for group in parts.student.optimizer.param_groups for each in group["params"]}
    assert not learned & {id(each) for each in parts.student.network.parameters()}
    assert copy.deepcopy(parts.student.network).training is False
