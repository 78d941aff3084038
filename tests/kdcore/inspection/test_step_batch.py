import json
import shutil

import numpy as np
import pytest

from kdcore.data.batches import training_batches
from kdcore.errors import UserError
from kdcore.events import RunForked, RunStarted, StepEnded
from kdcore.inspection import step_batch
from kdcore.store import Store
from kdcore.store.run_files import batches
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built


@pytest.fixture(scope="module")
def recorded(tiny, tmp_path_factory):
    """A run's store and id, its parts, and its logged steps."""
    store = Store(tmp_path_factory.mktemp("batches") / "runs")
    recipe = tiny(data={**tiny().data.model_dump(), "labels": 40})
    run_id, parts = store.create(recipe), built(recipe)
    steps = []
    with store.writer(run_id) as writer:
        for event in train(parts):
            if isinstance(event, RunStarted | StepEnded):
                writer.append(event)
                steps += [event] if isinstance(event, StepEnded) else []
    return store, run_id, parts, steps


@pytest.mark.parametrize("step", [1, 5, 7, 10])
def test_the_images_of_a_step_are_made_again_with_what_the_networks_made_of_them(recorded, step):
    store, run_id, parts, steps = recorded
    found = step_batch.batch_of_step(store, run_id, step)
    (logged,) = (event for event in steps if event.step == step)
    seen = next(training_batches(parts.train, parts.recipe, seed=0, step=step - 1, per_epoch=5))
    assert (found.run_id, found.step, found.count, found.epoch) == (run_id, step, len(seen.targets), step / 5)
    assert np.array_equal(found.images, (seen.images.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8))
    assert np.array_equal(found.labels, seen.targets.numpy())
    labelled = found.labels >= 0
    assert 0 < labelled.sum() < len(labelled)
    assert set(found.predicted) == {"student", "twin", "teacher"}
    right = (found.predicted["student"] == found.labels)[labelled].mean()
    assert right == pytest.approx(logged.train_top1["student"])
    for network in ("student", "twin"):
        losses = found.cross_entropy[network]
        assert np.isnan(losses[~labelled]).all()
        assert losses[labelled].mean() == pytest.approx(logged.losses[network]["ce"], rel=2e-3)
        assert (found.divergence[network] > -1e-3).all()


def test_of_a_large_batch_the_largest_losses_are_given(recorded, monkeypatch):
    store, run_id, *_ = recorded
    whole = step_batch.batch_of_step(store, run_id, 2)
    monkeypatch.setattr(step_batch, "MOST_IMAGES", 3)
    part = step_batch.batch_of_step(store, run_id, 2)
    assert (part.count, len(part.images), len(part.labels)) == (16, 3, 3)
    weight = np.nan_to_num(whole.cross_entropy["student"]) + whole.divergence["student"]
    assert set(part.divergence["student"]) == set(whole.divergence["student"][np.argsort(-weight)[:3]])


def test_an_infinite_loss_is_the_largest_and_one_without_a_label_the_smallest(monkeypatch):
    monkeypatch.setattr(step_batch, "MOST_IMAGES", 2)
    losses = np.array([0.5, np.inf, np.nan, 2.0], np.float32)
    assert step_batch._largest({"student_cross_entropy": losses}).tolist() == [1, 3]
    divergences = {"student_cross_entropy": losses, "student_divergence": np.array([np.inf, 0.0, 1.0, 2.0], np.float32)}
    assert step_batch._largest(divergences).tolist() == [0, 1]


def test_a_fork_s_earlier_steps_are_its_parent_s(recorded, tiny):
    store, run_id, *_ = recorded
    child = store.create(store.recipe(run_id))
    with store.writer(child) as writer:
        writer.append(RunForked(6, 1.2, run_id))
    assert step_batch.batch_of_step(store, child, 6).run_id == run_id
    with pytest.raises(
        UserError, match=f"The images of step 7 cannot be shown: run {child} did not record its batches"
    ):
        step_batch.batch_of_step(store, child, 7)


def test_data_that_changed_since_are_noticed(recorded, monkeypatch):
    store, run_id, *_ = recorded
    monkeypatch.setattr(step_batch.batches, "checksum", lambda indices: 0)
    with pytest.raises(
        UserError, match=f"step 3 cannot be shown: the data of run {run_id} have changed since it was trained"
    ):
        step_batch.batch_of_step(store, run_id, 3)


@pytest.mark.parametrize(
    "step, columns",
    [
        (3, {"student_class": np.full(16, 10), "student_cross_entropy": np.zeros(16)}),  # of ten classes
        (3, {"teacher_class": np.zeros(16)}),
        (11, {"student_class": np.zeros(16), "student_cross_entropy": np.zeros(16)}),  # of ten steps
    ],
)
def test_a_file_of_another_run_is_refused(recorded, tmp_path, step, columns):
    store, run_id, *_ = recorded
    shutil.copytree(store.folder(run_id), tmp_path / run_id)
    (tmp_path / run_id / batches.FILE).write_bytes(batches.encoded(step, np.arange(16), columns))
    with pytest.raises(
        UserError, match=f"step {step} cannot be shown: batches.bin of run {run_id} does not belong to it"
    ):
        step_batch.batch_of_step(Store(tmp_path), run_id, step)


@pytest.mark.parametrize("epochs", [0, 11])  # of ten steps
def test_events_with_less_than_a_step_an_epoch_are_refused(recorded, tmp_path, epochs):
    store, run_id, *_ = recorded
    shutil.copytree(store.folder(run_id), tmp_path / run_id)
    events = tmp_path / run_id / "events.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    changed = [line | {"epochs": epochs} if "epochs" in line else line for line in lines]
    events.write_text("".join(json.dumps(line) + "\n" for line in changed))
    with pytest.raises(UserError, match="batches.bin of run .* does not belong to it"):
        step_batch.batch_of_step(Store(tmp_path), run_id, 3)


def test_a_run_of_an_earlier_version_has_no_batches(recorded, tmp_path):
    store, run_id, *_ = recorded
    other = Store(tmp_path)
    shutil.copytree(store.folder(run_id), tmp_path / run_id)
    (tmp_path / run_id / batches.FILE).unlink()
    with pytest.raises(
        UserError, match="did not record its batches .*earlier versions have none.*Train its recipe again"
    ):
        step_batch.batch_of_step(other, run_id, 3)
    (tmp_path / run_id / batches.FILE).mkdir()
    with pytest.raises(UserError, match=r"batches.bin"):
        step_batch.batch_of_step(other, run_id, 3)


def test_a_mixed_batch_is_made_again_with_both_labels(tiny, tmp_path):
    store = Store(tmp_path / "runs")
    recipe = tiny(data={**tiny().data.model_dump(), "mixup": 0.4}, terms=[{"method": "ce"}], epochs=1)
    run_id, parts = store.create(recipe), built(recipe)
    with store.writer(run_id) as writer:
        for event in train(parts):
            if isinstance(event, RunStarted | StepEnded):
                writer.append(event)
                logged = event
    found = step_batch.batch_of_step(store, run_id, logged.step)
    seen = next(training_batches(parts.train, parts.recipe, seed=0, step=logged.step - 1, per_epoch=5))
    assert found.share == seen.share < 1
    assert np.array_equal(found.other_labels, seen.other_targets.numpy())
    assert found.cross_entropy["student"].mean() == pytest.approx(logged.losses["student"]["ce"], rel=2e-3)
    right = [found.predicted["student"] == labels for labels in (found.labels, found.other_labels)]
    share = found.share * right[0].mean() + (1 - found.share) * right[1].mean()
    assert logged.train_top1["student"] == pytest.approx(share)
