import json

import pytest

from kdcore.errors import UserError
from kdcore.events import RunPaused
from kdcore.results.comparison import Outcome, sentence, summarise
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


def finished(student, twin, count, apart):
    return {
        "student": {"top1": student, "low": 0.0, "high": 1.0, "count": count},
        "twin": {"top1": twin, "low": 0.0, "high": 1.0, "count": count},
        "difference": {"top1": 0.1, "low": 0.0, "high": 0.2, "only_student": apart[0], "only_twin": apart[1]},
    }


def read(results):
    plain = {"event": "RunFinished", "time": 1e9, "step": 3, "seconds": 1.0, "results": results}
    return checking.event(json.dumps(plain).encode())["results"]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (finished(-5, 0.1, 50, (1, 0)), "`top1` of the student's results should be from 0 to 1, not -5"),
        (finished(0.5, 1e308, 50, (1, 0)), "`top1` of the twin's results should be from 0 to 1, not 1e+308"),
        (finished(0.5, 0.5, 5.5, (1, 0)), "`count` of the student's results should be a number of images, not 5.5"),
        (finished(0.5, 0.5, -3, (1, 0)), "`count` of the student's results should be a number of images, not -3"),
        (finished(0.5, 0.5, 50, (-1, 0)), "`only_student` of the difference's results should be a number of images, not -1"),
        (finished(0.5, 0.5, 50, (500, 500)), "`difference` counts 1000 images on which the two differ, and there are 50"),
    ],
)  # fmt: skip
def test_results_that_no_test_gives_are_a_damaged_line(results, message):
    with pytest.raises(UserError) as refused:
        read(results)
    assert message in str(refused.value)


def test_whatever_results_are_read_have_a_sentence():
    kept = 0
    for student, twin in ((0.0, 0.0), (1.0, 1.0), (0.4, 0.1), (1.0, 0.0)):
        for count in (0, 1, 50, 1000, 2**53):
            for apart in ((0, 0), (0, 50), (25, 25), (1000, 0), (500, 500), (2**52, 2**52)):
                try:
                    results = read(finished(student, twin, count, apart))
                except UserError:
                    continue
                more = [Outcome({**results, "student": results["student"] | {"nll": seed}}, seed) for seed in range(3)]
                assert sentence(summarise(more[:1]))
                assert sentence(summarise(more))
                kept += 1
    assert kept > 40
