import os
import shutil
from collections import namedtuple

import pytest

from kdcore.teacher_cache import entries


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    monkeypatch.setenv("KD_CACHE_GB", "3e-6")  # 3 kB


def used(name, *, kilobytes=1, days_ago=0.0):
    """An entry that was used so long ago, and is not in use."""
    folder, lock = entries.open_entry(name, {"is": name}, kilobytes * 1000)
    (folder / "000.rows").write_bytes(bytes(kilobytes * 1000 - 100))
    lock.release()
    when = (folder / "key.json").stat().st_mtime - days_ago * 86400
    os.utime(folder / "key.json", (when, when))
    return folder


def names():
    return sorted(entry.name for entry in entries.folder().iterdir() if entry.is_dir())


def test_the_entry_used_longest_ago_goes_first():
    used("old", days_ago=2)
    used("older", days_ago=3)
    used("young", days_ago=1)
    entries.open_entry("new", {}, 1000)[1].release()
    assert names() == ["new", "old", "young"]


def test_using_an_entry_keeps_it():
    used("one", days_ago=2)
    used("two", days_ago=1)
    entries.open_entry("one", {"is": "one"}, 1000)[1].release()
    used("three")
    entries.open_entry("four", {}, 1000)[1].release()
    assert "two" not in names()
    assert "one" in names()


def test_an_entry_in_use_stays_and_the_new_one_is_refused():
    used("in-use", kilobytes=2)
    _, lock = entries.open_entry("in-use", {"is": "in-use"}, 2000)
    with pytest.raises(entries.NoSpace, match="KD_CACHE_GB allows 3 kB in total, and other entries are in use"):
        entries.open_entry("new", {}, 2000)
    lock.release()
    entries.open_entry("new", {}, 2000)[1].release()
    assert names() == ["new"]


def test_an_entry_with_two_users_stays_until_both_are_done():
    used("in-use", kilobytes=2)
    _, first = entries.open_entry("in-use", {"is": "in-use"}, 2000)
    _, second = entries.open_entry("in-use", {"is": "in-use"}, 2000)
    for lock in (first, second):
        with pytest.raises(entries.NoSpace, match="other entries are in use"):
            entries.open_entry("new", {}, 2000)
        lock.release()
    entries.open_entry("new", {}, 2000)[1].release()
    assert names() == ["new"]


def test_what_can_never_fit_removes_nothing():
    used("one")
    with pytest.raises(entries.NoSpace, match="KD_CACHE_GB allows 3 kB in total"):
        entries.open_entry("huge", {}, 4000)
    assert names() == ["one"]


def test_a_disk_that_is_nearly_full_is_left_alone(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(entries.NoSpace, match="the disk has 1 GB left"):
        entries.open_entry("new", {}, 1000)


def test_an_entry_under_this_name_with_another_key_is_made_anew():
    folder = used("name")
    (folder / "key.json").write_text("{}")
    again, _ = entries.open_entry("name", {"is": "name"}, 1000)
    assert not (again / "000.rows").exists()
    assert '"is": "name"' in (again / "key.json").read_text()


def test_a_foreign_entry_that_is_in_use_is_left_to_its_owner():
    _, lock = entries.open_entry("name", {"is": "theirs"}, 1000)
    with pytest.raises(entries.NoSpace, match="another process writes to"):
        entries.open_entry("name", {"is": "ours"}, 1000)
    lock.release()


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "teacher-cache").write_text("a file")
    with pytest.raises(entries.NoSpace, match="cannot be written"):
        entries.open_entry("new", {}, 1000)


def test_a_cap_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("KD_CACHE_GB", "much")
    with pytest.raises(ValueError, match="KD_CACHE_GB is 'much': give a number of gigabytes, for example 20"):
        entries.limit()
