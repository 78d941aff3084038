"""A last batch of one image, which BatchNorm cannot take where a network's last map has one pixel."""

import itertools

import pytest
import torch

from kdcore import recipe as recipes
from kdcore.events import StepTaken
from kdcore.setup.build import build_parts
from kdcore.setup.cost import estimate
from kdcore.training.loop import train

CPU = torch.device("cpu")


def recipe(images=41, size=8, model="test_resnet", **changes):
    data = {
        "name": "cues",
        "image_size": 32,
        "train_images": images,
        "test_images": 20,
        "batch_size": size,
        "validation": 0,
    }
    return recipes.from_plain(
        {"name": "mini", "data": data, "student": {"model": model}, "probes": {"images": 0}, **changes}
    )


def built(chosen):
    building, notes = build_parts(chosen, seed=0, device=CPU), []
    while True:
        try:
            notes.append(next(building).text)
        except StopIteration as ended:
            return ended.value, notes


def test_it_joins_the_batch_before_and_the_estimate_agrees():
    chosen = recipe(epochs=2)
    parts, notes = built(chosen)
    said = "The last batch of an epoch (41 images in batches of 8) would be a single image, on which test_resnet cannot be "
    assert any(said in note for note in notes)
    assert (parts.steps_per_epoch, parts.steps) == (5, 10)
    assert estimate(chosen, device=CPU).steps == 10
    steps = [event.step for event in train(parts) if isinstance(event, StepTaken)]
    assert max(steps) == 10


def test_a_resumed_run_counts_the_same_steps():
    whole, _ = built(recipe(epochs=2))
    taken = []
    for event in train(whole):
        if isinstance(event, StepTaken) and event.step == 5 and not taken:
            taken.append({name: _copied(value) for name, value in whole.state().items()})
    resumed, _ = built(recipe(epochs=2))
    resumed.load_state(taken[0])
    list(train(resumed))
    assert resumed.step == whole.step == 10
    for one, other in itertools.zip_longest(
        whole.student.distiller.student.parameters(), resumed.student.distiller.student.parameters()
    ):
        assert torch.equal(one, other)


def _copied(value):
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return value


@pytest.mark.parametrize(
    "images, size, model, steps", [(40, 8, "test_resnet", 5), (42, 8, "test_resnet", 6), (41, 8, "five_conv", 6)]
)
def test_other_batches_stay_as_they_are(images, size, model, steps):
    parts, notes = built(recipe(images, size, model))
    assert (parts.smallest_batch, parts.steps_per_epoch) == (1, steps)
    assert not any("last batch" in note for note in notes)
