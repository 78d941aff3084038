"""What a run shows at each moment: sent with the page, and what is new of it each second."""

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kdcore import events as ev
from pages.parts.runs import moments
from pages.parts.server import moments as route


@pytest.fixture
def client(runner, monkeypatch):
    monkeypatch.setattr(route.engine, "store", lambda: runner.store)
    return TestClient(Starlette(routes=list(route.ROUTES)))


def of(runner, run_id, since=-1):
    state = runner.store.state(run_id)
    return moments.of_run(runner.store, run_id, runner.store.version(run_id), state.status, since)


def test_the_axis_goes_to_the_last_epoch_from_the_start(runner, make_run):
    found = of(runner, make_run("running"))
    assert (found["end"], found["now"], found["active"]) == (2, 0.9, True)
    assert [(curve["name"], curve["points"]) for curve in found["curves"]][:2] == [
        ("student", [[0.0, 0.5], [1.0, 0.5]]), ("twin", [[0.0, 0.3], [1.0, 0.3]]),
    ]  # fmt: skip
    assert found["curves"][2]["level"] == 0.9


@pytest.mark.parametrize(
    "status, words", [("queued", "Queued: starts when the current run ends."), ("preparing", "Drawing 4,000 images."), ("running", "")]
)  # fmt: skip
def test_before_the_first_step_it_says_what_the_run_does(runner, make_run, status, words):
    found = of(runner, make_run(status))
    assert found["words"] == words
    assert found["end"] == 2


def test_the_first_numbers_and_maps_are_drawn_before_the_first_step(runner, make_run, writers):
    run_id = make_run("preparing")
    writers[run_id].append(
        ev.RunStarted(0, 20, 2, "CPU", "fp32", ("star", "circle", "square"), 3600, 500, {}, {"top1": 0.9})
    )
    writers[run_id].append(ev.SampleMeasured(0, 0.0, 64, {"student": {"top1": 0.1, "nll": 2.3}}, 0.1))
    found = of(runner, run_id)
    (student, teacher) = found["curves"]
    assert (student["name"], student["points"], student["sample"]) == ("student", [], [[0.0, 0.1]])
    assert teacher["level"] == 0.9


def test_only_later_maps_are_sent_and_the_images_once(runner, make_run):
    run_id = make_run()
    everything, later = of(runner, run_id), of(runner, run_id, since=1)
    frames = {network["name"]: network["frames"] for network in later["networks"]}
    assert everything["places"] == later["places"] == [0, 1, 2]
    assert frames == {"teacher": 1, "student": 1, "twin": 1}
    assert everything["images"]
    assert not later["images"]


def test_a_run_that_was_resumed_before_what_the_browser_has_is_sent_anew(runner, make_run):
    found = of(runner, make_run("running"), since=7)
    assert found["since"] == -1
    assert found["images"]


@pytest.mark.parametrize("count", [1, 60, 61, 500])
def test_at_most_so_many_probes_are_sent_and_earlier_choices_are_enough(count):
    kept = moments.kept_places(count)
    assert len(kept) <= moments.MAX_FRAMES + 1
    assert (kept[0], kept[-1]) == (0, count - 1)
    had = set(range(count)) if count == 1 else set(moments.kept_places(count - 1))
    assert set(kept) <= had | {count - 1}


def test_accuracy_on_training_images_is_smoothed_without_a_bias_to_zero():
    steps, values = moments.smoothed((np.arange(4), np.array([1.0, np.nan, 1.0, 1.0])))
    assert steps.tolist() == [0, 2, 3]
    np.testing.assert_allclose(values, 1.0)


def test_a_changed_setting_is_marked_with_words(runner, make_run):
    ((epoch, words),) = of(runner, make_run("running", knobs={"weight/kd": 2.0}))["marks"]
    assert epoch == 1.0
    assert words.startswith("Weight of kd")


def test_nothing_is_sent_where_nothing_is_new(client, runner, make_run):
    run_id = make_run("running")
    first = client.get(f"/api/runs/{run_id}/moments").json()
    again = client.get(
        f"/api/runs/{run_id}/moments", params={"since": first["places"][-1], "version": first["version"]}
    )
    assert again.status_code == 204
    assert client.get(f"/api/runs/{run_id}/moments", params={"since": 0, "version": "older"}).json()["since"] == 0


@pytest.mark.parametrize("since", ["--5", "1e3", "9" * 20, ""])
def test_a_place_that_is_no_number_is_refused_in_words(client, make_run, since):
    answer = client.get(f"/api/runs/{make_run()}/moments", params={"since": since})
    assert answer.status_code == 400
    assert "the number of a probe was expected" in answer.json()["error"]


@pytest.mark.parametrize("run_id", ["missing", "a" * 5000, "..%2Fsecrets"])
def test_a_run_that_does_not_exist_is_not_found(client, runner, run_id):
    assert client.get(f"/api/runs/{run_id}/moments").status_code == 404
