import errno
import os

import numpy as np
import pytest

from kdcore.teacher_cache.view import View

PLACES = np.array([4, 0, 7])
ROWS = np.arange(15, dtype=np.float16).reshape(3, 5)


@pytest.fixture
def written(tmp_path):
    View(tmp_path, 0, 10, 5).write(PLACES, ROWS)
    return tmp_path


def damage(path, at):
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_another_reader_finds_the_rows_and_sees_which_are_not_there(written):
    view = View(written, 0, 10, 5)
    rows, there = view.read(np.array([7, 1, 4]))
    assert there.tolist() == [True, False, True]
    assert rows[0].tolist() == ROWS[2].tolist()
    assert rows[2].tolist() == ROWS[0].tolist()
    assert view.filled() == 3


def test_a_reader_that_came_first_sees_what_is_written_later(tmp_path):
    early = View(tmp_path, 0, 10, 5)
    View(tmp_path, 0, 10, 5).write(PLACES, ROWS)
    assert early.read(PLACES)[1].all()


@pytest.mark.parametrize("file, at", [("000.rows", 4 * 10 + 3), ("000.marks", 4 * 4)])
def test_one_bit_is_enough_for_a_row_not_to_be_used(written, file, at):
    damage(written / file, at)
    assert View(written, 0, 10, 5).read(PLACES)[1].tolist() == [False, True, True]


def test_rows_of_another_view_entry_or_image_are_not_taken_for_this_one_s(written, tmp_path):
    (written / "000.rows").rename(written / "001.rows")
    (written / "000.marks").rename(written / "001.marks")
    assert not View(written, 1, 10, 5).read(PLACES)[1].any()
    other = tmp_path / "other"
    other.mkdir()
    for name in ("rows", "marks"):
        (other / f"001.{name}").write_bytes((written / f"001.{name}").read_bytes())
    assert not View(other, 1, 10, 5).read(PLACES)[1].any()


def test_a_row_in_the_wrong_place_is_not_used(written):
    rows, marks = (written / f"000.{name}" for name in ("rows", "marks"))
    rows.write_bytes(rows.read_bytes()[10:] + bytes(10))  # as if one row were missing in front
    marks.write_bytes(marks.read_bytes()[4:] + bytes(4))
    assert not View(written, 0, 10, 5).read(np.array([3, 6]))[1].any()


def test_a_kill_between_a_row_and_its_mark_leaves_no_row(tmp_path, monkeypatch):
    view, true = View(tmp_path, 0, 10, 5), os.pwrite
    calls = []

    def dies(descriptor, data, offset):
        calls.append(offset)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return true(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", dies)
    with pytest.raises(KeyboardInterrupt):
        view.write(PLACES, ROWS)
    assert not View(tmp_path, 0, 10, 5).read(PLACES)[1].any()


def test_a_full_disk_is_an_error_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: 1)  # as it answers when only a byte fits
    with pytest.raises(OSError, match="No space left") as full:
        View(tmp_path, 0, 10, 5).write(PLACES, ROWS)
    assert full.value.errno == errno.ENOSPC


def test_nothing_is_taken_of_the_disk_before_rows_are_written(tmp_path):
    View(tmp_path, 0, 100_000, 500)
    assert (tmp_path / "000.rows").stat().st_size == 100_000_000
    assert (tmp_path / "000.rows").stat().st_blocks * 512 < 100_000
