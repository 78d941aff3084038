"""Work ahead of the first run: done while no run trains, and given up for one."""

import threading

import pytest

from kdcore.errors import UserError
from kdcore.runner import Runner
from kdcore.runner import runner as module
from kdcore.runtime import interruption
from kdcore.store import Store


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


def test_a_run_takes_precedence_over_what_is_prepared(runner, tiny, monkeypatch):
    begun, pieces, queued = threading.Event(), [], threading.Event()

    def work(recipe, **_):
        for piece in range(1000):
            pieces.append(piece)
            begun.set()
            queued.wait(60)
            yield piece

    monkeypatch.setattr(module, "build_parts", work)
    runner.prepare(tiny())
    assert begun.wait(60)
    (run_id,) = runner.start(tiny())
    queued.set()
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"
    assert pieces == [0]


def test_all_of_it_is_done_where_no_run_comes(runner, tiny, monkeypatch):
    done = threading.Event()

    def work(recipe, **_):
        yield from range(5)
        done.set()

    monkeypatch.setattr(module, "build_parts", work)
    runner.prepare(tiny())
    assert done.wait(60)


def test_a_run_takes_precedence_over_waiting_for_another_process(runner, tiny, monkeypatch):
    begun = threading.Event()

    def work(recipe, **_):
        yield "a piece"
        begun.set()
        while True:  # as a lock's holder is waited for
            interruption.check()

    with monkeypatch.context() as patch:
        patch.setattr(module, "build_parts", work)
        runner.prepare(tiny())
        assert begun.wait(60)
    (run_id,) = runner.start(tiny())
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


@pytest.mark.parametrize("error", [UserError("There are no images."), RuntimeError("a bug")])
def test_an_error_is_left_to_the_run_that_meets_it(runner, tiny, monkeypatch, caplog, error):
    def work(recipe, **_):
        yield "a piece"
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, "build_parts", work)
        runner.prepare(tiny())
    (run_id,) = runner.start(tiny())
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


def test_it_changes_nothing_of_the_run_after_it(tiny, tmp_path):
    losses = []
    for prepared in (False, True):
        runner = Runner(Store(tmp_path / f"{prepared}"), device="cpu", threads=1)
        if prepared:
            runner.prepare(tiny())
        (run_id,) = runner.start(tiny())
        assert runner.wait(run_id, 60)
        losses.append(runner.store.series(run_id)["loss/student/total"][1].tolist())
        runner.close()
    assert losses[0] == losses[1]
