"""Runs on a drive that several machines share: a lock of another machine says nothing, its heartbeat does."""

import contextlib
import os
import socket
import time

import pytest

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.events import Noted, RunStarted
from kdcore.files import atomic, heartbeat, locks
from kdcore.store import Store

RECIPE = recipes.from_plain({"name": "shared", "student": {"model": "tiny"}, "epochs": 5})
STARTED = RunStarted(0, 100, 5, "cpu", "exact", ("cat", "ship"), 1000, 500, {"student": 7})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture(autouse=True)
def clocks_are_read_anew(monkeypatch):
    monkeypatch.setattr(heartbeat, "CLOCK_FOR", 0.0)


@contextlib.contextmanager
def machine(monkeypatch, name: str):
    """Act as on this machine; the drive keeps locks to one machine."""
    with monkeypatch.context() as patched:
        patched.setattr(atomic, "machine", lambda: name)
        patched.setattr(socket, "gethostname", lambda: name)
        patched.setattr(locks, "lock_descriptor", lambda descriptor, blocking: True)
        yield


def silent_for(store, run_id, seconds: float) -> None:
    then = time.time_ns() - int(1e9 * seconds)
    os.utime(store.folder(run_id) / "writer.beat", ns=(then, then))


def test_a_run_of_another_machine_is_alive_while_its_heart_beats(store, monkeypatch):
    run_id = store.create(RECIPE)
    with machine(monkeypatch, "ann"), store.writer(run_id) as writer:
        writer.append(STARTED)
        assert (store.folder(run_id) / "writer.beat").is_file()
        with machine(monkeypatch, "bob"):
            silent_for(store, run_id, 25)
            assert store.state(run_id).status == "running"
            message = "is being written by a process on ann; stop it there first. Should ann be off: its last heartbeat is 25 s old"
            with pytest.raises(UserError, match=message):
                store.writer(run_id).__enter__()
            silent_for(store, run_id, 35)
            state = store.state(run_id)
            assert (state.status, state.reason) == (
                "interrupted",
                "The process that trained it on ann has ended, or that machine cannot reach this drive.",
            )


def test_it_goes_on_elsewhere_after_its_machine_has_died_and_the_first_one_never_writes_again(store, monkeypatch):
    run_id = store.create(RECIPE)
    with machine(monkeypatch, "ann"):
        dead = store.writer(run_id).__enter__()
        dead.append(STARTED)
    silent_for(store, run_id, 35)
    with machine(monkeypatch, "bob"), store.writer(run_id) as writer:
        writer.append(Noted("from bob"))
        with machine(monkeypatch, "ann"):
            assert store.state(run_id).status == "running"
            monkeypatch.setattr(dead._heart, "_renewed", time.monotonic() - 60)  # it was suspended for a minute
            with pytest.raises(heartbeat.TakenOver, match="bob has taken over its work"):
                dead.append(Noted("from ann"))
            dead.__exit__()
            assert store.state(run_id).status == "running"
    assert "from ann" not in (store.folder(run_id) / "events.jsonl").read_text()
    assert not (store.folder(run_id) / "writer.beat").exists()


def test_a_lock_that_the_drive_keeps_after_its_machine_has_died_is_replaced(store, monkeypatch):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as left:  # its lock stays held
        left.append(STARTED)
        with monkeypatch.context() as patched:
            patched.setattr(atomic, "machine", lambda: "bob")
            silent_for(store, run_id, 35)
            with store.writer(run_id) as writer:
                writer.append(Noted("from bob"))
            silent = store.create(RECIPE)
            store.delete(silent)


def test_a_run_that_another_machine_writes_is_not_deleted(store, monkeypatch):
    run_id = store.create(RECIPE)
    with (
        machine(monkeypatch, "ann"),
        store.writer(run_id),  # without an event, so that its state alone would allow it
        machine(monkeypatch, "bob"),
        pytest.raises(UserError, match="is being written by a process on ann"),
    ):
        store.delete(run_id)
    with machine(monkeypatch, "bob"):
        store.delete(run_id)
    assert store.ids() == []


def test_on_one_machine_the_lock_decides_at_once(store):
    run_id = store.create(RECIPE)
    with store.writer(run_id) as writer:
        writer.append(STARTED)
        silent_for(store, run_id, 3600)  # a suspended laptop
        assert store.state(run_id).status == "running"
    assert store.state(run_id).status == "interrupted"
