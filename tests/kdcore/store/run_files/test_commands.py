"""Commands to a run of another process: files beside it, each taken once and in order."""

import os

import pytest

from kdcore.errors import UserError
from kdcore.store.run_files import commands


def test_commands_are_taken_in_order_and_once(tmp_path):
    assert commands.take(tmp_path) == []
    commands.send(tmp_path, "set_knob", {"knob": "weight/kd", "factor": 2.0, "by": "ann"})
    commands.send(tmp_path, "pause", {})
    knob, pause = commands.take(tmp_path)
    assert knob == ("set_knob", {"knob": "weight/kd", "factor": 2.0, "by": "ann"})
    assert pause == ("pause", {})
    assert commands.take(tmp_path) == []


def test_what_is_no_command_is_removed_and_the_others_are_taken(tmp_path):
    commands.send(tmp_path, "pause", {})
    place = tmp_path / commands.FOLDER
    odd = (
        b"{",
        b"[]",
        b"5",
        b'{"command": "pause"}',
        b'{"command": "x", "arguments": 5}',
        b"\xff",
        b"[" * 9_000,
        b"1" * 20_000,
    )
    for number, content in enumerate(odd):
        (place / f"{number}.json").write_bytes(content)
    (place / "folder.json").mkdir()
    os.mkfifo(place / "pipe.json")
    (place / ".half.json").touch()  # one that is being written
    assert commands.take(tmp_path) == [("pause", {})]
    assert sorted(os.listdir(place)) == [".half.json", "folder.json"]


def test_commands_that_nobody_follows_are_not_piled_up(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "MOST", 2)
    commands.send(tmp_path, "pause", {})
    commands.send(tmp_path, "unpause", {})
    with pytest.raises(UserError, match="has followed none of the last 2 commands"):
        commands.send(tmp_path, "pause", {})
    commands.clear(tmp_path)
    assert commands.take(tmp_path) == []


def test_two_processes_never_take_one_command_twice(tmp_path, monkeypatch):
    """The other one takes it between reading and removing."""
    commands.send(tmp_path, "pause", {})
    read = commands.reading.read_whole

    def and_gone(path, most):
        content = read(path, most)
        path.unlink()
        return content

    monkeypatch.setattr(commands.reading, "read_whole", and_gone)
    assert commands.take(tmp_path) == []
