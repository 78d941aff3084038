"""Pruning from a finished run's page: the operator's, one at a time, ending in a run that can be compared."""

import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest

from kdcore import pruning as scores
from kdcore.errors import NotAllowed, UserError
from kdcore.export.networks import processes
from kdcore.store import Store
from pages.parts import engine
from pages.parts.engine import pruning as background
from pages.parts.roles import role
from pages.parts.runs import pruning


@dataclass(frozen=True)
class Made:
    """Stands for the recipe of the fine-tuning."""

    file: str
    epochs: int
    note: ClassVar[str] = "5 of 6 attention heads"


SECONDS = 60  # for a thread: the machine may be busy


@pytest.fixture
def run_id(make_run, runner, monkeypatch, tmp_path):
    monkeypatch.setattr(background, "_last", {})
    monkeypatch.setattr(Store, "checkpoint", lambda self, run_id: tmp_path / "00000020.safetensors")
    return make_run()


@pytest.fixture
def pruned(monkeypatch, runner, tmp_path):
    """Stands for the process that prunes: it ends when it is let go, or stopped. What it was asked is in `calls`."""
    go, calls = threading.Event(), []

    def prune(store, reference, to, score, stopped):
        calls.append((reference, to, score))
        while not go.wait(0.01):
            if stopped():
                raise UserError("It was stopped.")
        return tmp_path / "half.safetensors"

    monkeypatch.setattr(processes, "prune", prune)
    monkeypatch.setattr(background, "_fine_tuning", lambda file, store, epochs: Made(file.name, epochs))
    monkeypatch.setattr(runner, "start", lambda recipe: [f"run of {recipe}"], raising=False)
    yield go, calls
    go.set()
    _end()


def _end():
    for thread in threading.enumerate():
        if thread.name == "pruning":
            thread.join(SECONDS)


def button(test, label):
    return next(each for each in test.button if each.label == label)


def labels(test):
    return [each.label for each in test.button]


def opened(open_page, run_id):
    test = open_page("train.py", run=run_id, more="Export")
    assert not test.exception
    return test


def test_the_scores_are_those_of_the_engine():
    assert tuple(pruning.SCORES) == tuple(scores.SCORES)


def test_a_network_is_pruned_and_fine_tuned_as_a_new_run(open_page, run_id, pruned):
    go, calls = pruned
    test = opened(open_page, run_id)
    next(each for each in test.slider if each.key == "prune-share").set_value(25)
    next(each for each in test.number_input if each.key == "prune-epochs").set_value(2)
    button(test, "Prune and fine-tune").click().run()
    assert "Pruning the student to 25 % of its MACs" in test.info[0].value
    assert "Stop pruning" in labels(test)
    assert "Prune and fine-tune" not in labels(test)
    go.set()
    _end()
    test.run()
    assert calls == [(f"run:{run_id}/student", 0.25, "attention")]
    assert engine.pruning_of(run_id).run == "run of Made(file='half.safetensors', epochs=2)"
    assert {"Watch the fine-tuning", "Compare both runs", "Prune and fine-tune"} <= set(labels(test))
    assert "5 of 6 attention heads" in [each.value for each in test.caption]
    assert next(each for each in test.number_input if each.key == "prune-epochs").value == 2  # as it was chosen
    assert next(each for each in test.slider if each.key == "prune-share").value == 25


def test_it_can_be_stopped_and_another_one_waits(open_page, run_id, pruned):
    engine.start_pruning(run_id, "student", 0.5, "energy", 1)
    with pytest.raises(UserError, match="Another network is being pruned now"):
        engine.start_pruning("other", "student", 0.5, "energy", 1)
    button(opened(open_page, run_id), "Stop pruning").click().run()
    _end()
    test = opened(open_page, run_id)
    assert "The pruning was stopped. Nothing of it is left." in [each.value for each in test.info]
    assert not test.error
    assert "Prune and fine-tune" in labels(test)


def test_one_that_is_stopped_when_the_pruned_network_is_written_starts_no_run(run_id, pruned, monkeypatch, tmp_path):
    file = tmp_path / "half.safetensors"

    def prune(*_):
        engine.stop_pruning(run_id)
        file.touch()
        return file

    monkeypatch.setattr(processes, "prune", prune)
    engine.start_pruning(run_id, "student", 0.5, "energy", 1)
    _end()
    assert (engine.pruning_of(run_id).problem, engine.pruning_of(run_id).run) == ("It was stopped.", "")
    assert not file.exists()


def test_a_bug_is_a_sentence_and_the_next_one_may_start(run_id, pruned, monkeypatch):
    monkeypatch.setattr(processes, "prune", lambda *_: 1 / 0)
    engine.start_pruning(run_id, "student", 0.5, "energy", 1)
    _end()
    assert engine.pruning_of(run_id).problem.startswith("Something went wrong here. The log has the details under ")
    assert not engine.pruning_of(run_id).going


def test_a_visitor_neither_sees_nor_starts_it(open_page, run_id, monkeypatch):
    monkeypatch.setattr(role, "is_operator", lambda: False)
    assert "Prune and fine-tune" not in labels(opened(open_page, run_id))
    for call in (
        lambda: engine.start_pruning(run_id, "student", 0.5, "energy", 1),
        lambda: engine.stop_pruning(run_id),
        lambda: engine.pruning_of(run_id),
    ):
        with pytest.raises(NotAllowed, match="Only the operator can prune networks"):
            call()
