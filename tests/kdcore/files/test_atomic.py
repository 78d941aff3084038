"""Every write is seen whole or not at all, and leaves nothing behind where it fails."""

import errno
import os
import stat
import threading

import pytest
import torch
from safetensors.torch import save_file

from kdcore.files import atomic
from kdcore.paths import PROJECT


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    with atomic.replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["none", "file", "folder"])
def test_an_error_names_the_file_that_was_wanted(tmp_path, place):
    path = tmp_path / place / "a.zip"
    if place == "file":
        path.parent.touch()
    elif place == "folder":
        path.mkdir(parents=True)  # only the last step fails
    with pytest.raises(OSError, match="a.zip") as raised:
        atomic.write_bytes(path, b"whole")
    assert raised.value.filename == str(path)


@pytest.mark.parametrize("kind", ["the folder", "a file in it"])
def test_an_error_in_files_that_take_their_names_together_names_what_was_wanted(tmp_path, kind):
    path = tmp_path / ("none/pruned" if kind == "the folder" else "pruned")
    with pytest.raises(OSError, match="pruned") as raised, atomic.staging(path) as folder:
        (folder / "not there" / "weights").write_bytes(b"whole")
    assert raised.value.filename == str(path)
    assert ".half" not in str(raised.value)


@pytest.mark.parametrize("error", [OSError("no space left"), KeyError("a bug"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def fail():
        with atomic.replacing(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_meet(tmp_path):
    path, seen = tmp_path / "a.txt", set()
    together = threading.Barrier(4)

    def write(number):
        for _ in range(20):
            together.wait()
            atomic.write_text(path, str(number) * 5000, durable=False)
            seen.add(path.read_text())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= {str(number) * 5000 for number in range(4)}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_files_have_ordinary_permissions_whatever_library_wrote_them(tmp_path):
    before = os.umask(0o022)
    try:
        atomic.write_text(tmp_path / "text", "text")
        with atomic.replacing(tmp_path / "tensors") as temporary:
            save_file({"a": torch.zeros(2)}, temporary)  # makes a file of 0600
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_content_is_flushed_to_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append((tmp_path / "a").exists()))
    atomic.write_text(tmp_path / "a", "text")
    atomic.write_text(tmp_path / "b", "text", durable=False)
    assert flushed == [False]


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / f".a.7-7{atomic.SUFFIX}").touch()
    (tmp_path / f"half{atomic.SUFFIX}").touch()  # of an earlier version
    (tmp_path / "a").touch()
    atomic.remove_leftovers(tmp_path)
    atomic.remove_leftovers(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_other_module_replaces_files_by_itself():
    """One place knows how: temporary names, permissions and flushing differ otherwise."""
    own = PROJECT / "kdcore" / "files"
    others = [path for path in (PROJECT / "kdcore").rglob("*.py") if own not in path.parents]
    found = [
        f"{path.relative_to(PROJECT)}: {word}"
        for path in others
        for word in ("fsync(", "fcntl.flock", "import tempfile")
        if word in path.read_text(encoding="utf-8")
    ]
    assert not found, f"Use kdcore.files.atomic and kdcore.files.locks instead: {', '.join(found)}"


@pytest.mark.parametrize("kind", ["file", "folder", "copy"])
def test_of_writers_that_find_the_same_name_free_none_replaces_another(kind, tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(errno.EPERM, "no second names on this file system")

    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # as all of them see it before one moves
    if kind == "copy":
        monkeypatch.setattr(os, "link", refuses)
    for number in range(3):
        made = tmp_path / "mine"
        if kind == "folder":
            made.mkdir()
        (made / "text" if kind == "folder" else made).write_text(str(number))
        got = atomic.take_free_name(made, (tmp_path / name for name in ("w", "w-2", "w-3")))
        assert got.name == ("w", "w-2", "w-3")[number]
        assert (got / "text" if kind == "folder" else got).read_text() == str(number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w", "w-2", "w-3"]


def test_a_copy_to_a_free_name_that_fails_leaves_no_empty_file(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(errno.EPERM, "no second names on this file system")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", refuses)
    monkeypatch.setattr(atomic.shutil, "copyfile", full)
    (tmp_path / "mine").write_text("text")
    with pytest.raises(OSError, match="No space left"):
        atomic.take_free_name(tmp_path / "mine", [tmp_path / "w"])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_free_name_that_cannot_be_had_is_an_error(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(FileNotFoundError):
        atomic.take_free_name(tmp_path / "mine", [tmp_path / "missing" / "w"])
    with pytest.raises(FileExistsError, match="all names are taken"):
        atomic.take_free_name(tmp_path / "mine", [tmp_path / "mine"])
