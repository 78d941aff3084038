"""The batch of a step that was clicked on a curve."""

from dataclasses import replace

import numpy as np
import pytest

from kdcore.errors import UserError
from kdcore.inspection.step_batch import StepBatch
from kdcore.store import RunState
from pages.parts import engine
from pages.parts.runs import batch


def of_three(step: int = 10) -> StepBatch:
    """Star right with a small loss, circle wrong with a large one, and an image without a label."""
    return StepBatch(
        run_id="a", step=step, epoch=step / 10, count=3, classes=("star", "circle", "square"), images=np.zeros((3, 8, 8, 3), np.uint8),
        labels=np.array([0, 1, -1]), predicted={"student": np.array([0, 2, 2]), "teacher": np.array([0, 1, 2])},
        cross_entropy={"student": np.array([0.1, 3.25, np.nan], np.float32)}, divergence={"student": np.array([0.2, 0.3, 1.5], np.float32)},
    )  # fmt: skip


def test_a_mixed_image_is_labelled_with_both_shares():
    mixed = replace(of_three(), other_labels=np.array([2, 1, -1]), share=0.7)
    labels = [batch.label_of(mixed, i) for i in range(3)]
    assert labels == ["star 70 % + square 30 %", "circle", "no label"]
    assert [batch.label_of(of_three(), i) for i in range(3)] == ["star", "circle", "no label"]


@pytest.fixture
def asked(monkeypatch):
    found = []
    monkeypatch.setattr(engine, "batch_of_step", lambda run_id, step: found.append(step) or of_three(step))
    return found


def test_the_largest_loss_comes_first_and_images_without_a_label_last():
    assert batch.by_loss(of_three()) == [1, 0, 2]


def test_a_click_shows_the_images_of_that_step_with_losses_and_predictions(open_page, make_run, asked):
    test = open_page("train.py", run=make_run(), more="Curves", epoch="0.5")
    assert not test.exception
    assert asked == [5]
    assert "The batch of step 5 (epoch 0.50)" in [each.value for each in test.subheader]
    words = [each.value for each in test.markdown]
    assert any("Student: square, 3.25" in each for each in words)
    assert any("Student: square, 1.50" in each for each in words)  # without a label: the divergence
    assert any("Teacher: circle" in each for each in words)


def test_without_a_click_it_says_what_one_does(open_page, make_run, asked):
    test = open_page("train.py", run=make_run(), more="Curves")
    assert asked == []
    assert any("Click a point of a curve" in each.value for each in test.caption)


def test_a_run_that_recorded_no_batches_says_so(open_page, make_run, monkeypatch):
    def refuse(run_id, step):
        raise UserError("The images of step 5 cannot be shown: the run did not record its batches.")

    monkeypatch.setattr(engine, "batch_of_step", refuse)
    test = open_page("train.py", run=make_run(), more="Curves", epoch="0.5")
    assert any("did not record its batches" in each.value for each in test.caption)


def test_of_a_recording_it_says_what_is_missing_and_where_to_get_it(monkeypatch):
    said = []
    monkeypatch.setattr(batch.st, "caption", said.append)
    batch.show(RunState(id="a", name="a", status="finished", steps=20, step=20, recorded=True))
    assert said == [batch.OF_RECORDING]
    assert "Train it here" in said[0]
