import itertools

import pytest
import torch

from kdcore.events import ProbeTaken, SampleMeasured, StepTaken
from kdcore.training import evaluation, interim
from kdcore.training.interim import HEAD_START, SAMPLES, Budget, Sampler
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built, digest


def samples(events) -> list[SampleMeasured]:
    return [event for event in events if isinstance(event, SampleMeasured)]


@pytest.fixture(scope="module")
def often(tiny):
    """A run that is measured after every step, and what it reported."""
    parts = built(tiny(probes={"images": 1, "per_epoch": 0.25, "budget": 1.0}))
    torch.manual_seed(1)
    return parts, list(train(parts))


def test_the_sample_is_measured_before_the_first_step_and_soon_after(often):
    story = often[1]
    first = next(place for place, event in enumerate(story) if isinstance(event, StepTaken))
    assert samples(story[:first])[0].step == 0
    assert [event.step for event in samples(story)] == list(range(11))
    assert {event.images for event in samples(story)} == {20}
    assert set(samples(story)[0].figures) == {"student", "twin"}


def test_the_sample_is_a_part_of_the_validation_images_with_every_class_alike(tiny):
    parts = built(tiny(data={**tiny().data.model_dump(), "train_images": 300, "batch_size": 10}))
    assert len(parts.sample) == 20 < len(parts.validation) == 60
    assert set(parts.sample.targets.bincount().tolist()) == {2}  # two batches of ten images, of ten classes


def test_the_sample_is_measured_as_every_split_is(often):
    parts, story = often
    expected = evaluation.evaluate(parts.student.distiller.student, parts.sample)
    found = samples(story)[-1].figures["student"]
    assert found == pytest.approx({"top1": expected["top1"], "nll": expected["nll"]}, abs=1e-5)


def test_interim_measurements_change_nothing(tiny, often):
    never = built(tiny(probes={"images": 0}))
    never.sample = None
    assert samples(train(never)) == []
    assert digest(often[0].student.distiller) == digest(never.student.distiller)
    assert digest(often[0].twin.distiller) == digest(never.twin.distiller)


def test_modes_and_the_random_state_are_as_before(tiny):
    parts = built(tiny())
    modes = [module.training for module in parts.student.distiller.modules()]
    before = torch.get_rng_state()
    assert len(list(Sampler(parts, Budget(1.0)).take())) == 1
    assert [module.training for module in parts.student.distiller.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)


def test_without_validation_images_there_is_no_sample(tiny):
    parts = built(tiny(data={**tiny().data.model_dump(), "validation": 0}))
    assert parts.sample is None
    assert list(Sampler(parts, Budget(1.0)).take()) == []


@pytest.mark.parametrize("steps", [570, 40_000])
def test_a_run_has_a_few_hundred_of_them_however_long_it_is(tiny, steps):
    parts = built(tiny(epochs=-(-steps // 5)))
    sampler, taken = Sampler(parts, Budget(1.0)), []
    for step in range(parts.steps):
        parts.step = step
        if sampler.due(1e9):
            taken += sampler.take()
            parts.sample = parts.sample.at(torch.arange(1))  # quick
    assert SAMPLES <= len(taken) <= 1.5 * SAMPLES
    assert [event.step for event in taken[:6]] == [0, 1, 2, 3, 4, 5]


def test_a_budget_counts_what_was_spent_and_what_the_next_may_take():
    budget = Budget(0.01)
    assert budget.allows(0.0, 0.0)
    budget.took(60.0, 0.0)  # the first one, which loads kernels
    assert budget.allows(0.0, 0.1)
    budget.took(0.1, 0.1)
    assert budget.allows(0.0, 0.2)  # 0.2 s of the 0.25 s of the head start
    budget.took(0.1, 0.3)
    assert not budget.allows(0.0, 0.4)
    assert budget.allows(0.3 / 0.01 - HEAD_START + 1e-6, 0.4)
    assert not Budget(0.0).allows(1e9, 0.5)


def test_a_measurement_that_was_slowed_down_does_not_set_the_time_expected_of_the_next():
    budget = Budget(0.01)
    for place, seconds in enumerate([60.0, 0.1, 1.0]):
        budget.took(seconds, place / 10)
    assert not budget.allows(94.9, 0.3)
    assert budget.allows(95.1, 0.3)  # 1.1 s spent and 0.1 s to come, of 1 % of 120.1 s


def test_however_slow_a_measurement_was_the_middle_of_a_run_is_measured_once():
    budget = Budget(0.01)
    budget.took(1.0, 0.0)
    budget.took(1000.0, 0.01)
    assert not budget.allows(30.0, 0.49)
    assert budget.allows(30.0, 0.5)
    budget.took(1000.0, 0.5)
    assert not budget.allows(60.0, 0.99)


def test_slow_maps_of_a_short_run_are_at_its_beginning_middle_and_end(tiny, monkeypatch):
    clock = itertools.count(0, 1000)  # each measurement takes 1000 seconds
    monkeypatch.setattr(interim.time, "perf_counter", lambda: next(clock))
    parts = built(tiny(probes={"images": 1, "per_epoch": 5}))
    measuring, taken = interim.Interim(parts), []
    taken += measuring.begin()
    for step in range(1, parts.steps + 1):
        parts.step = step
        taken += measuring.after_step(busy=1.0)
    assert [event.step for event in taken if isinstance(event, ProbeTaken)] == [0, 1, 5, 10]
    assert [event.step for event in samples(taken)] == [0, 1, 5]


def test_the_first_maps_come_before_the_first_step_then_at_growing_distances(often):
    maps = [event for event in often[1] if isinstance(event, ProbeTaken)]
    assert [event.step for event in maps] == [0, 1, 2, 4, 8, 10]
    assert ["images" in event.arrays for event in maps] == [True] + 5 * [False]


def test_a_fork_begins_with_maps_with_their_images_and_a_measurement_of_the_sample(tiny):
    parent = built(tiny())
    for event in train(parent):
        if isinstance(event, StepTaken) and event.step == 3:
            break
    child = built(tiny())
    child.load_state(parent.state())
    story = list(train(child))
    assert samples(story)[0].step == 3
    first = next(event for event in story if isinstance(event, ProbeTaken))
    assert (first.step, "images" in first.arrays) == (3, True)
