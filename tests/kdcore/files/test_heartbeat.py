"""A heartbeat is renewed while its process lives, and judged by the clock of its drive."""

import json
import os
import threading
import time

import pytest

from kdcore.files import atomic, heartbeat


@pytest.fixture
def beating(tmp_path):
    made = heartbeat.Heart(tmp_path / "writer.beat")
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def clocks_are_read_anew(monkeypatch):
    monkeypatch.setattr(heartbeat, "CLOCK_FOR", 0.0)


def dated(path, seconds: float) -> None:
    """Set a file's time of writing to so many seconds from now."""
    then = time.time_ns() + int(1e9 * seconds)
    os.utime(path, ns=(then, then))


def on_another_machine(monkeypatch) -> None:
    monkeypatch.setattr(atomic, "machine", lambda: "0ther000")


def test_it_names_its_machine_and_counts_elsewhere_only(beating, monkeypatch):
    assert heartbeat.elsewhere(beating.path) is None
    on_another_machine(monkeypatch)
    beat = heartbeat.elsewhere(beating.path)
    assert (beat.process, beat.token) == (os.getpid(), beating.token)


def test_its_age_is_that_on_the_drive_s_clock_whatever_the_clocks_of_the_machines_show(beating, tmp_path, monkeypatch):
    dated(beating.path, -12)
    beat = heartbeat.read(beating.path)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert heartbeat.age(beat, beating.path, tmp_path) == pytest.approx(12, abs=1)


def test_after_the_clock_was_set_back_it_ages_from_then_on(beating, tmp_path):
    dated(beating.path, 3600)
    assert heartbeat.age(heartbeat.read(beating.path), beating.path, tmp_path) == 0
    again = heartbeat.read(beating.path)  # as another program would, later
    assert abs(again.written - time.time_ns()) < 5e9
    assert 0 <= heartbeat.age(again, beating.path, tmp_path) < 5


def test_it_is_renewed_by_a_thread_that_ends_with_the_last_one(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY", 0.01)
    hearts = [heartbeat.Heart(tmp_path / name) for name in ("one", "two")]
    for heart in hearts:
        dated(heart.path, -20)
    until(lambda: all(heartbeat.age(heartbeat.read(h.path), h.path, tmp_path) < 10 for h in hearts))
    assert sum(thread.name == "kdcore-heartbeats" for thread in threading.enumerate()) == 1
    for heart in hearts:
        heart.stop()
        heart.stop()
    until(lambda: all(thread.name != "kdcore-heartbeats" for thread in threading.enumerate()))
    assert not any(heart.path.exists() for heart in hearts)


def test_a_file_that_was_removed_or_damaged_is_written_again(beating):
    beating.path.unlink()
    beating.renew()
    assert heartbeat.read(beating.path).token == beating.token
    beating.path.write_text("{")
    assert heartbeat.read(beating.path) is None
    beating.renew()
    assert heartbeat.read(beating.path).token == beating.token


def test_who_was_taken_over_notices_and_leaves_the_other_s_file(beating, monkeypatch):
    beating.check()
    other = heartbeat.Heart(beating.path)
    monkeypatch.setattr(beating, "_renewed", time.monotonic() - heartbeat.STALE)
    with pytest.raises(heartbeat.TakenOver, match=r"not heard of for 30 seconds, and \S+ has taken over its work"):
        beating.check()
    beating.stop()
    assert heartbeat.read(beating.path).token == other.token
    other.stop()


def until(condition, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"machine": "a"}', *(f'{{"machine": "a", "host": "b", "token": "c", "process": {value}}}' for value in ("1e999", "Infinity", "NaN", "[]", '"x"', "null", "9" * 5000)), "[" * 4000, "x" * 5000]
)  # fmt: skip
def test_a_file_that_was_edited_by_hand_is_no_heartbeat(text, tmp_path):
    (tmp_path / "writer.beat").write_text(text)
    assert heartbeat.read(tmp_path / "writer.beat") is None


def test_the_name_of_a_machine_is_short_and_acts_on_no_terminal(tmp_path):
    named = {"machine": "a", "host": "\x1b[31m" + "b" * 2000, "process": 1, "token": "c"}
    (tmp_path / "writer.beat").write_text(json.dumps(named))
    host = heartbeat.read(tmp_path / "writer.beat").host
    assert host.startswith(" [31mbbb")
    assert len(host) <= 80
