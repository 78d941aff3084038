import dataclasses
import json

import pytest

from kdcore import events
from kdcore.events import KINDS, CheckpointReady, ProbeTaken, StepTaken, from_plain

NUMBERS = {"student": 0.5, "twin": 0.25}
ONE_OF_EACH = [
    events.Queued(),
    events.RunForked(
        step=40, epoch=2.0, parent="20261128-120000-quick-ab12", changed={"terms.1.weight": [0.9, 1.8]}, knobs={"weight/kd": 0.5}
    ),
    events.Noted("Downloading.", level="warning"),
    events.RunStarted(
        step=0, steps=100, epochs=5, device="cpu", precision="fp32", classes=("cat", "ship"), train_images=1000,
        labelled_images=500, parameters={"student": 10}, teacher={"top1": 0.9}, resumed=True,
    ),
    events.StepEnded(
        step=3, epoch=0.15, losses={"student": {"total": 1.5, "kd": 1.0}}, shares={"kd": 0.7}, weights={"kd": 0.3},
        temperatures={"kd": 4.0}, learning_rate=1e-3, images_per_second=250.0, train_top1=NUMBERS,
    ),
    events.LayersWeighted(step=20, epoch=1.0, term="attention", weights=(0.25, 0.75)),
    events.GradientsMeasured(
        step=10, epoch=0.5, norms={"ce": 2.0, "kd": 0.01}, shares={"ce": 0.995, "kd": 0.005}, idle={"kd": 200.0}
    ),
    events.WeightAdapted(step=20, epoch=1.0, term="fitnets", factor=0.5, reason="kd no longer falls"),
    events.TermMeasured(step=20, epoch=1.0, term="fitnets", figures={"similarity": 0.7, "similarity/3": 0.8}),
    events.Evaluated(step=20, epoch=1.0, split="validation", metrics={"student": {"top1": 0.5, "count": 100}}),
    events.SampleMeasured(step=3, epoch=0.15, images=128, figures={"student": NUMBERS}, seconds=0.05),
    events.RobustnessMeasured(
        step=20, epoch=1.0, images=300, accuracy={"patch_scramble@4": NUMBERS}, only={"patch_scramble@4": {"student/twin": 75}},
        shape_bias={"fourier_cue_conflict@1": NUMBERS},
    ),
    events.ProbeTaken(step=20, epoch=1.0, seconds=0.1, file="probes/00000020.npz"),
    events.CheckpointSaved(step=20, epoch=1.0, file="checkpoints/00000020.safetensors"),
    events.KnobTurned(step=21, knob="weight/kd", factor=0.5),
    events.RunPaused(step=22),
    events.RunResumed(step=22),
    events.RunFinished(step=100, results={"student": {"top1": 0.8, "low": 0.7, "high": 0.9}}, seconds=12.5, file="test.npz"),
    events.RunStopped(step=50, reason="Stopped by hand."),
    events.RunFailed(reason="The disk is full.", traceback="Traceback ..."),
]  # fmt: skip
NEVER_STORED = {StepTaken, CheckpointReady}


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event):
    assert from_plain(json.loads(json.dumps(event.to_plain()))) == event


def test_every_stored_kind_is_in_that_test():
    assert {type(event) for event in ONE_OF_EACH} == set(KINDS.values()) - NEVER_STORED


def test_the_arrays_of_a_probe_are_not_in_its_line():
    plain = ProbeTaken(1, 0.1, 0.2, file="probes/1.npz", arrays={"teacher": object()}).to_plain()
    assert plain == {"event": "ProbeTaken", "step": 1, "epoch": 0.1, "seconds": 0.2, "file": "probes/1.npz"}


def test_fields_of_a_later_version_are_left_out():
    assert from_plain({"event": "RunPaused", "step": 3, "mood": "good", "time": 1.0}) == events.RunPaused(3)


def test_events_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        events.RunPaused(3).step = 4  # type: ignore[misc]
