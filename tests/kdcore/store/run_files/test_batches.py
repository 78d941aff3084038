import numpy as np
import pytest

from kdcore.store.run_files import batches


def columns(size: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    return {
        "student_class": np.arange(size), "student_cross_entropy": scale * np.arange(size, dtype=np.float32) / 4,
        "teacher_class": np.zeros(size),
    }  # fmt: skip


def write(folder, *steps: int, size: int = 4, scale: float = 1.0) -> None:
    with (folder / batches.FILE).open("ab") as file:
        for step in steps:
            file.write(batches.encoded(step, np.arange(size) + step, columns(size, scale)))


def test_a_record_is_read_as_it_was_written(tmp_path):
    write(tmp_path, 1, 2, 5)
    found = batches.nearest(tmp_path, 2)
    assert (found.step, found.images, found.indices) == (2, 4, batches.checksum(np.array([2, 3, 4, 5])))
    assert set(found.columns) == {"student_class", "student_cross_entropy", "teacher_class"}
    assert found.columns["student_cross_entropy"].tolist() == [0.0, 0.25, 0.5, 0.75]
    assert found.columns["student_class"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("step, nearest", [(0, 1), (3, 2), (4, 5), (99, 5)])
def test_the_nearest_step_is_taken(tmp_path, step, nearest):
    write(tmp_path, 1, 2, 5)
    assert batches.nearest(tmp_path, step).step == nearest


def test_a_run_without_records_has_none(tmp_path):
    assert batches.nearest(tmp_path, 3) is None


def test_of_a_step_that_was_taken_twice_the_last_record_counts(tmp_path):
    write(tmp_path, 1, 2)
    write(tmp_path, 2, scale=2.0)
    assert batches.nearest(tmp_path, 2).columns["student_cross_entropy"][1] == 0.5


def test_a_resumed_run_drops_what_came_after_its_checkpoint_and_what_is_unfinished(tmp_path):
    write(tmp_path, 1, 2, 3)
    with (tmp_path / batches.FILE).open("ab") as file:
        file.write(batches.encoded(4, np.arange(4), columns(4))[:-3])
    assert batches.nearest(tmp_path, 9).step == 3
    batches.cut(tmp_path, 2)
    assert batches.nearest(tmp_path, 9).step == 2
    write(tmp_path, 3, scale=3.0)
    found = batches.nearest(tmp_path, 9)
    assert (found.step, found.columns["student_cross_entropy"][1]) == (3, 0.75)


@pytest.mark.parametrize("steps, kept", [((1, 2, 3, 4), {2, 4}), ((1, 2, 3, 4, 5), {1, 3, 5})])
def test_of_two_records_the_older_one_goes(tmp_path, monkeypatch, steps, kept):
    write(tmp_path, *steps)
    monkeypatch.setattr(batches, "MOST_BYTES", (tmp_path / batches.FILE).stat().st_size)
    batches.thin(tmp_path)
    monkeypatch.undo()
    assert {batches.nearest(tmp_path, step).step for step in steps} == kept


def test_the_file_stays_below_its_limit_and_keeps_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "MOST_BYTES", 2000)
    for step in range(1, 200):
        write(tmp_path, step)
        batches.thin(tmp_path)
        assert (tmp_path / batches.FILE).stat().st_size < 2000
        assert batches.nearest(tmp_path, step).step == step
    assert batches.nearest(tmp_path, 0).step < 100  # also early ones


@pytest.mark.parametrize("place", [0, 6, 14, 20, 26, 40])
def test_a_flipped_bit_loses_what_follows_and_nothing_else(tmp_path, place):
    write(tmp_path, 1, 2, 3)
    content = bytearray((tmp_path / batches.FILE).read_bytes())
    content[len(content) // 3 + place] ^= 1
    (tmp_path / batches.FILE).write_bytes(content)
    assert batches.nearest(tmp_path, 1).step == 1


def test_a_loss_that_is_too_large_is_infinite(tmp_path):
    write(tmp_path, 1, scale=1e6)
    assert batches.nearest(tmp_path, 1).columns["student_cross_entropy"].tolist() == [0, np.inf, np.inf, np.inf]
