import json

import pytest

from kdcore.errors import UserError
from kdcore.events import RunPaused
from kdcore.store.replay import checking

PAUSED = {**RunPaused(step=3).to_plain(), "time": 1e9}


def line(**changes: object) -> bytes:
    return json.dumps(PAUSED | changes).encode()


@pytest.mark.parametrize("step", [0, 3, 2**53])
def test_a_step_is_a_whole_number(step):
    assert checking.event(line(step=step))["step"] == step


@pytest.mark.parametrize("step", [-1, 2**53 + 1, 1.5, 1.0, True, "3", None, [3]])
def test_anything_else_is_no_step(step):
    with pytest.raises(UserError, match="step"):
        checking.event(line(step=step))


MEASURED = {
    "event": "RobustnessMeasured", "time": 1e9, "step": 3, "epoch": 1.0, "images": 50,
    "accuracy": {"patch_scramble@4": {"student": 0.5, "twin": 0.4}},
    "only": {"patch_scramble@4": {"student/twin": 10, "twin/student": 5}},
}  # fmt: skip


def test_counts_on_perturbed_images_are_complete():
    assert checking.event(json.dumps(MEASURED).encode())["shape_bias"] == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"only": {}}, "`only` on 'patch_scramble@4' should count student/twin images, not None"),
        (
            {"only": {"patch_scramble@4": {"student/twin": 10, "twin/student": 51}}},
            "should count twin/student images, not 51",
        ),
        (
            {"only": {"patch_scramble@4": {"student/twin": 0.5, "twin/student": 5}}},
            "should count student/twin images, not 0.5",
        ),
        ({"accuracy": {"patch_scramble@4": {"student": None}}}, "`accuracy` on 'patch_scramble@4' should be numbers"),
    ],
)
def test_incomplete_counts_on_perturbed_images_are_a_damaged_line(changes, message):
    with pytest.raises(UserError) as refused:
        checking.event(json.dumps(MEASURED | changes).encode())
    assert message in str(refused.value)
