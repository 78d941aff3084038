"""A stop ends a queued run at once, a run that is being prepared between two parts of the work, and a training one after its step."""

import time

import pytest

from kdcore.data import loading
from kdcore.files import locks
from kdcore.runner import Runner
from kdcore.runtime import interruption
from kdcore.store import Store


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def test_a_queued_run_stops_at_once_while_the_one_before_it_goes_on(runner, tiny):
    (first,), (second,) = runner.start(tiny(epochs=500)), runner.start(tiny())
    until(lambda: runner.store.state(first).step)
    runner.pause(first)
    until(lambda: runner.store.state(first).status == "paused")
    runner.stop(second)
    assert runner.store.state(second).status == "stopped"
    assert runner.active() == (first,)
    runner.resume(second)  # its lock is free, and it takes its turn again
    runner.stop(first)
    assert runner.wait(second, 60)
    assert runner.store.state(second).status == "finished"


def test_a_run_that_draws_its_images_stops_before_they_are_all_drawn(runner, tiny, monkeypatch):
    def endless(data, split, *, report, **_):
        report("Reading.")
        for _ in range(6000):
            interruption.check()
            time.sleep(0.01)

    monkeypatch.setattr(loading, "load", endless)
    (run_id,) = runner.start(tiny())
    until(lambda: "Reading." in [note["text"] for note in runner.store.state(run_id).notes])  # reported at once
    runner.stop(run_id)
    assert runner.wait(run_id, 1)
    state = runner.store.state(run_id)
    assert (state.status, state.reason, state.traceback) == ("stopped", "Stopped by a user.", "")


def test_cues_are_not_drawn_to_the_end_for_a_run_that_was_stopped(monkeypatch):
    from kdcore.data.datasets import cues

    drawn, texture = [], cues._texture
    monkeypatch.setattr(cues, "_texture", lambda *given: drawn.append(given) or texture(*given))
    with interruption.interruptible(lambda: True), pytest.raises(interruption.Interrupted):
        cues.drawn("train", 5_000, 64, 0, 0.1)
    assert len(drawn) < 5_000


def test_a_run_that_waits_for_images_decoded_elsewhere_can_be_stopped(tmp_path):
    with locks.acquire(tmp_path / "lock") as lock, interruption.interruptible(lambda: True):
        assert lock
        with (
            pytest.raises(interruption.Interrupted),
            locks.holding(tmp_path / "lock", meanwhile=interruption.check),
        ):
            pass


def test_a_resumed_run_that_is_stopped_while_it_is_prepared_keeps_its_step(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=500))
    until(lambda: runner.store.state(run_id).step >= 2)
    runner.stop(run_id)
    assert runner.wait(run_id, 60)
    step = runner.store.state(run_id).step
    runner.resume(run_id)
    runner.stop(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).step == step > 0


def test_a_change_while_paused_is_confirmed_at_once(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=500))
    until(lambda: runner.store.state(run_id).step >= 1)
    runner.pause(run_id)
    until(lambda: runner.store.state(run_id).status == "paused")
    runner.set_knob(run_id, "weight/kd", 0.5)
    until(lambda: runner.store.state(run_id).knobs == {"weight/kd": 0.5}, 5)
    assert runner.store.state(run_id).status == "paused"
