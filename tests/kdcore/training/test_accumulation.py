"""A step in parts has the gradient of the whole batch, in as many steps, and resumes to the bit."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore.errors import UserError
from kdcore.events import CheckpointReady, StepEnded, StepTaken
from kdcore.recipe.changing import with_half_the_batch
from kdcore.tensors.outputs import Batch, Objective
from kdcore.training import accumulation
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built

VIT = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}}
SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}


def recipe_of(tiny, parts: int, **changes):
    terms = [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0}]
    plain = {"student": VIT, "terms": terms, "optimizer": {**SGD, "accumulate": parts}, "probes": {"images": 0}}
    return tiny(**(plain | changes))


def stepped(parts, count: int) -> StepEnded:
    """The last logged step of `count` steps."""
    logged = None
    for event in train(parts):
        logged = event if isinstance(event, StepEnded) else logged
        if isinstance(event, StepTaken) and event.step == count:
            return logged
    raise AssertionError


def weights(parts, name="student") -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in parts.learners[name].distiller.parameters()])


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_gradient_is_that_of_the_whole_batch(tiny, count):
    whole, divided = built(recipe_of(tiny, 1)), built(recipe_of(tiny, count))
    for module in (
        each for parts in (whole, divided) for own in parts.learners.values() for each in own.distiller.modules()
    ):
        if isinstance(module, _BatchNorm):  # its statistics would be those of a part
            module.eval()
    before = weights(whole)  # also the twin's
    assert torch.equal(before, weights(divided))
    one, other = stepped(whole, 1), stepped(divided, 1)
    for name in ("student", "twin"):
        changes = [weights(parts, name) - before for parts in (whole, divided)]
        assert changes[0].abs().max() > 1e-3
        torch.testing.assert_close(changes[1], changes[0], rtol=1e-3, atol=1e-6)
    assert other.losses["student"] == pytest.approx(
        one.losses["student"], rel=1e-5, abs=1e-7
    )  # kd's is about 1e-8: rounding
    assert other.train_top1 == one.train_top1


def test_parts_and_whole_take_the_same_number_of_steps(tiny):
    counts = [
        sum(isinstance(event, StepTaken) and event.step == 10 for event in train(built(recipe_of(tiny, parts))))
        for parts in (1, 4)
    ]
    assert counts[0] == counts[1] > 0


def test_a_resumed_run_ends_as_an_unbroken_one(tiny):
    recipe = recipe_of(tiny, 3, checkpoint_every=0.4)
    whole, states = built(recipe), []
    for event in train(whole):
        if isinstance(event, CheckpointReady):
            states.append((event.step, {key: _copied(value) for key, value in event.state.items()}))
    resumed = built(recipe)
    resumed.load_state(states[1][1])
    list(train(resumed))
    assert resumed.step == whole.step
    assert torch.equal(weights(resumed), weights(whole))


def _copied(value):
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("images", "count", "sizes"), [(8, 2, [4, 4]), (7, 3, [3, 2, 2]), (3, 2, [3]), (5, 4, [3, 2]), (1, 2, [1])])  # fmt: skip
def test_no_part_has_one_image(images, count, sizes):
    batch = Batch(torch.rand(images, 3, 4, 4), torch.arange(images), 10 + torch.arange(images), view=1)
    parts = accumulation.divided(batch, count)
    assert [len(part.targets) for part in parts] == sizes
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert torch.equal(torch.cat([part.indices for part in parts]), batch.indices)
    assert {part.view for part in parts} == {1}
    assert sum(accumulation.shares(parts)) == pytest.approx(1)


def test_losses_are_means_weighted_by_the_images():
    found = [Objective(torch.tensor(total), {"ce": torch.tensor(total)}, {"ce": 1.0}) for total in (3.0, 6.0)]
    together = accumulation.combined(found, [2 / 3, 1 / 3])
    assert together.total.item() == together.losses["ce"].item() == pytest.approx(4.0)  # (2 * 3 + 6) / 3


def test_parts_of_one_image_and_compilation_are_refused(tiny):
    with pytest.raises(
        UserError, match=r"`optimizer.accumulate` is 9, but a part .* `data.batch_size` is 16: use at most 8"
    ):
        tiny(optimizer={"accumulate": 9})
    with pytest.raises(UserError, match=r"`optimizer.accumulate` is 2, which does not go with `compile`"):
        tiny(optimizer={"accumulate": 2}, compile=True)


def test_half_the_batch_is_twice_as_many_parts_while_that_is_possible(tiny):
    recipe, tried = tiny(), []
    while (recipe := with_half_the_batch(recipe)) is not None:
        tried.append((recipe.data.batch_size, recipe.optimizer.accumulate))
    assert tried == [(16, 2), (16, 4), (16, 8), (8, 1), (8, 2), (8, 4), (4, 1), (4, 2), (2, 1)]
    compiled = with_half_the_batch(tiny(compile=True))
    assert (compiled.data.batch_size, compiled.optimizer.accumulate) == (8, 1)


def test_a_term_that_compares_the_images_of_a_batch_is_named(tiny):
    terms = [{"method": "ce"}, {"method": "sp"}, {"method": "rkd"}]
    (text,) = accumulation.warnings(recipe_of(tiny, 2, terms=terms))
    assert text == (
        "optimizer.accumulate is 2, so terms that compare the images of a batch compare those of a part (sp, rkd). With whole "
        "batches the losses are others."
    )
    assert accumulation.warnings(recipe_of(tiny, 1, terms=terms)) == accumulation.warnings(recipe_of(tiny, 2)) == []
