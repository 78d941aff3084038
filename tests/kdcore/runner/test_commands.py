"""Commands that other processes leave beside a run: what cannot be followed is refused in words, and the run goes on."""

import threading

import pytest

from kdcore.runner import commands
from kdcore.runner.commands import Commands
from kdcore.store import Store
from kdcore.store.run_files import commands as files


@pytest.mark.parametrize(
    "name, arguments, why",
    [
        ("set_knob", {"knob": "weight/kd", "factor": 10**400}, "too large"),
        ("set_knob", {"knob": "weight/kd", "factor": [1]}, "not supported"),
        ("set_knob", {"knob": "weight/x", "factor": 1}, "is not a knob of this run"),
        ("pause", {"name": "stop"}, "multiple values"),
        ("save_checkpoint", {}, "There is no command"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(tmp_path, tiny, name, arguments, why):
    store = Store(tmp_path)
    run_id = store.create(tiny())
    given = Commands(run_id, store, threading.Event())
    files.send(store.folder(run_id), name, arguments)
    files.send(store.folder(run_id), "pause", {})
    given.heed_others()
    (refused,) = given.refused
    assert refused.startswith("A command of another process was not followed: ")
    assert why in refused
    assert given.paused()


def test_between_two_looks_no_file_is_looked_at(tmp_path, tiny, monkeypatch):
    store, now = Store(tmp_path), [100.0]
    run_id = store.create(tiny())
    monkeypatch.setattr(commands.time, "monotonic", lambda: now[0])
    given = Commands(run_id, store, threading.Event())
    given.heed_others()
    files.send(store.folder(run_id), "pause", {})
    for later, followed in ((0.0, False), (commands.LOOK / 2, False), (commands.LOOK, True)):
        now[0] = 100.0 + later
        given.heed_others()
        assert given.paused() is followed
