"""A disk that fills up at any moment of a run: the run ends with the reason, the thread and the runs after it go on."""

import contextlib
import errno
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdcore.cli import main
from kdcore.errors import UserError
from kdcore.files import disk
from kdcore.recipe import Recipe
from kdcore.recipe import study as studies
from kdcore.runner import Runner
from kdcore.store import RunWriter, Store, Studies
from kdcore.store.run_files import checkpoint
from tests.kdcore.conftest import TINY
from tests.small_disk import small_disk

SIZE = 16 << 20  # bytes of the small disk; a tiny run takes 4 MiB
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def tiny(tiny: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A smaller one: two steps an epoch, without a twin."""
    return partial(tiny, twin=False, data={**TINY["data"], "train_images": 40})


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small disk."""
    place = tmp_path / "small"
    place.mkdir()
    with small_disk(place, SIZE) as mounted:
        if not mounted:
            pytest.skip("no small disk can be mounted here: these need root and mount -t tmpfs")
        yield place


@pytest.fixture
def runner(small: Path) -> Iterator[Runner]:
    made = Runner(Store(small / "runs"), device="cpu", threads=1)
    yield made
    made.close()


def fill(place: Path, left: int = 0) -> Path:
    """Take all room but so many bytes."""
    filler = place / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * (1 << 20)) == 1 << 20:
            pass
        file.write(b"x" * PAGE)  # raises: what was left was taken
    os.truncate(filler, max(0, filler.stat().st_size - left))
    return filler


def ended(runner: Runner, run_id: str) -> str:
    """Wait for the run; the reason that this process knows."""
    assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    assert state.status in ("failed", "interrupted")
    assert run_id not in runner.active()
    again = Store(runner.store.root).state(run_id)  # as after a restart
    assert again.status in ("failed", "interrupted")
    return state.reason


@pytest.mark.parametrize("left", [0, PAGE])
@pytest.mark.parametrize(
    "moment", ["Queued", "Noted", "RunStarted", "ProbeTaken", "StepEnded", "Evaluated", "CheckpointSaved"]
)
def test_wherever_the_disk_fills_up_the_run_ends_and_the_next_one_goes_on(runner, small, tiny, moment, left):
    def listener(run_id, event):
        if type(event).__name__ == moment and getattr(event, "step", 3) >= (3 if moment == "StepEnded" else 0):
            fill(small, left)

    runner.listener = listener
    (run_id,) = runner.start(tiny(epochs=200, checkpoint_every=1))
    assert ended(runner, run_id).startswith(f"The disk is full: free some space in {runner.store.folder(run_id)}")
    runner.listener = lambda run_id, event: None
    (small / "filler").unlink()
    (later,) = runner.start(tiny(epochs=1))
    assert runner.wait(later, 60)
    assert runner.store.state(later).status == "finished"
    runner.resume(run_id)
    runner.stop(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "stopped"


@pytest.mark.parametrize("left", range(0, 5 * PAGE, PAGE))
def test_a_full_disk_takes_no_new_run_and_nothing_is_left_of_it(runner, small, tiny, left):
    runner.start(tiny(epochs=1))
    assert runner.wait(runner.active()[0], 60) if runner.active() else True
    before = runner.store.ids()
    fill(small, left)
    try:
        (run_id,) = runner.start(tiny(epochs=1))
    except ValueError as error:
        said = str(error)
        assert runner.store.ids() == before
        assert [path.name for path in runner.store.root.iterdir()] == before
    else:
        said = ended(runner, run_id)
    assert said.startswith(f"The disk is full: free some space in {small}")
    assert runner.active() == ()
    (small / "filler").unlink()
    (later,) = runner.start(tiny(epochs=1))
    assert runner.wait(later, 60)
    assert runner.store.state(later).status == "finished"


@pytest.mark.parametrize("left", [0, PAGE, 3 * PAGE])
def test_a_run_resumed_on_a_full_disk_says_so_and_can_be_resumed_later(runner, small, tiny, left):
    (run_id,) = runner.start(tiny(epochs=3))
    runner.stop(run_id)
    assert runner.wait(run_id, 60)
    fill(small, left)
    try:
        runner.resume(run_id)
    except ValueError as error:
        reason = str(error)
    else:
        reason = ended(runner, run_id)
    assert reason.startswith("The disk is full: free some space in")
    assert "resume the run" in reason
    (small / "filler").unlink()
    runner.resume(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


def test_a_run_needs_no_cache_where_the_disk_of_the_data_is_full(small, tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(small / "data"))
    (small / "data" / "teachers").mkdir(parents=True)
    (small / "data" / "cues").mkdir()
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        fill(small)
        student = {"model": "three_stage_cnn_16"}
        (run_id,) = runner.start(tiny(epochs=1, teacher={**student, "finetune": {"epochs": 1}, "cache_views": 1}))
        assert runner.wait(run_id, 60)
        state = runner.store.state(run_id)
        assert (state.status, state.reason) == ("finished", "")
        notes = " ".join(note["text"] for note in state.notes)
        for text in (
            "The images could not be cached in",
            "The fine-tuned teacher cannot be stored in",
            "are not cached",
        ):
            assert text in notes
        assert not list(small.rglob("*.half"))
        assert (runner.store.folder(run_id) / "teacher.safetensors").is_file()
    finally:
        runner.close()


def test_an_export_to_a_full_disk_is_refused_and_nothing_is_left(small, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        (run_id,) = runner.start(tiny(epochs=1))
        assert runner.wait(run_id, 60)
    finally:
        runner.close()
    filler = fill(small)
    assert main(["export", f"run:{run_id}/student", str(small / "student.safetensors")]) == 1
    assert capsys.readouterr().err.startswith(f"error: The disk is full: free some space in {small}")
    assert list(small.iterdir()) == [filler]


def test_runs_that_wait_on_a_full_disk_end_one_by_one(runner, small, tiny):
    runner.listener = lambda run_id, event: fill(small) if type(event).__name__ == "StepEnded" else None
    ids = runner.start(tiny(epochs=200, seeds=[0, 1, 2]))
    assert all(ended(runner, run_id).startswith("The disk is full") for run_id in ids)
    assert runner.active() == ()


def test_a_run_can_be_deleted_on_a_full_disk(runner, small, tiny):
    (run_id,) = runner.start(tiny(epochs=1))
    assert runner.wait(run_id, 60)
    fill(small)
    (runner.store.folder(run_id) / "writer.lock").unlink()  # making it again would take room
    runner.store.delete(run_id)
    assert runner.store.ids() == []


def test_a_study_is_refused_on_a_full_disk(small, tiny):
    shelf = Studies(Store(small / "runs"))
    fill(small)
    plain = {"name": "a", "recipe": tiny().model_dump(mode="json", exclude_defaults=True), "seeds": [0]}
    with pytest.raises(ValueError, match=r"The disk is full: free some space in .*start the study again\."):
        shelf.create(studies.from_plain(plain))
    assert shelf.ids() == []


def test_an_event_that_does_not_fit_leaves_no_half_line(small, tiny):
    store = Store(small / "runs")
    run_id = store.create(tiny())
    from kdcore.events import Noted

    with store.writer(run_id) as writer:
        writer.append(Noted("first"))
        filler = fill(small)
        with pytest.raises(OSError, match="No space left"):
            writer.append(Noted("x" * 3 * PAGE))
        filler.unlink()
        writer.append(Noted("last"))
    state = store.state(run_id)
    assert ([note["text"] for note in state.notes], state.damage) == (["first", "last"], "")


# --- files that fail as files do ----------------------------------------------------------------------------------------


class Full:
    """A file on a disk that is full: writing, flushing and closing fail, each time."""

    def __init__(self, file, code: int) -> None:
        self._file, self._code = file, code

    def write(self, _data: bytes) -> int:
        raise OSError(self._code, os.strerror(self._code))

    def seek(self, *_: int) -> int:
        return 0

    def truncate(self, *_: int) -> int:
        return self.write(b"")

    def flush(self) -> None:
        self.write(b"")

    def close(self) -> None:
        self._file.close()
        self.write(b"")


@pytest.mark.parametrize(
    ("events", "code"),
    [*((events, errno.ENOSPC) for events in (1, 2, 5, 8)), (1, errno.EDQUOT), (2, errno.EIO), (5, errno.EROFS)],
)
def test_a_file_that_cannot_be_closed_ends_no_thread(tmp_path, tiny, monkeypatch, events, code):
    append, seen = RunWriter.append, []

    def fails_after_a_while(writer, event):
        seen.append(event)
        if len(seen) > events:
            writer._file = Full(writer._file, code)
        append(writer, event)

    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(RunWriter, "append", fails_after_a_while)
            (run_id,) = runner.start(tiny())
            reason = ended(runner, run_id)
        said = {errno.EIO: "(input/output error)", errno.EROFS: "read-only"}.get(code, "The disk is full")
        assert said in reason
        runner.resume(run_id)  # its lock is free
        assert runner.wait(run_id, 60)
        state = runner.store.state(run_id)
        assert (state.status, state.reason) == ("finished", "")
    finally:
        runner.close()


def test_a_listener_that_fails_ends_no_thread(tmp_path, tiny, caplog):
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)

    def broken(run_id, event):
        if type(event).__name__ != "Queued":
            raise KeyError("a listener's own mistake")

    try:
        runner.listener = broken
        (run_id,) = runner.start(tiny())
        ended(runner, run_id)
        runner.listener = lambda run_id, event: None
        (later,) = runner.start(tiny(epochs=1))
        assert runner.wait(later, 60)
        assert runner.store.state(later).status == "finished"
    finally:
        runner.close()
    assert any("a listener's own mistake" in str(record.exc_info) for record in caplog.records)


def test_a_folder_that_is_gone_is_said(tmp_path):
    reason = disk.trouble(FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), tmp_path / "gone")
    assert reason == f"The folder {tmp_path / 'gone'} is missing: it was deleted or moved."
    assert disk.trouble(FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), tmp_path) is None


# --- whichever library said so ------------------------------------------------------------------------------------------


def torch_zip(path: Path) -> None:
    torch.save({"a": torch.ones(SIZE // 2)}, path)


def torch_file(path: Path) -> None:
    with path.open("wb") as file:
        torch.save({"a": torch.ones(SIZE // 2)}, file)


def torch_old(path: Path) -> None:
    torch.save({"a": torch.ones(SIZE // 2)}, path, _use_new_zipfile_serialization=False)


def buffered(path: Path) -> None:
    with path.open("w") as file:
        file.write("x" * 2 * SIZE)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", os.urandom(2 * SIZE))


WRITERS = {
    "safetensors": lambda path: save_file({"a": torch.ones(SIZE // 2)}, path),
    "a checkpoint": lambda path: checkpoint.save({"a": torch.ones(SIZE // 2)}, path),
    "torch": torch_zip,
    "torch to a file": torch_file,
    "torch's old format": torch_old,
    "numpy": lambda path: np.save(path.with_suffix(".npy"), np.ones(SIZE // 4)),
    "numpy's tofile": lambda path: np.ones(SIZE // 4).tofile(path),
    "numpy's archives": lambda path: np.savez(path.with_suffix(".npz"), a=np.ones(SIZE // 4)),
    "numpy's compressed archives": lambda path: np.savez_compressed(path.with_suffix(".npz"), a=np.random.default_rng(0).random(SIZE // 4)),
    "text": buffered,
    "zipfile": zipped,
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_whichever_library_met_it(small, name):
    try:
        WRITERS[name](small / "file")
    except Exception as error:  # of any kind: that is the point
        said = disk.trouble(error, small)
    assert said is not None
    assert said.startswith(f"The disk is full: free some space in {small}")


def caused(outer: Exception, inner: Exception) -> Exception:
    try:
        try:
            raise inner
        except Exception as error:
            raise outer from error
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/there/file"), "free some space in /there and resume"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full"),
        (caused(KeyError("a"), OSError(errno.ENOSPC, "No space left on device")), "The disk is full"),
        (
            caused(UserError("Nothing fits."), OSError(errno.ENOSPC, "No space")),
            r"The disk is full.* \(Nothing fits\.\)",
        ),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/there/file"), "/there cannot be written to"),
        (OSError(errno.EROFS, "Read-only file system", "/there/file"), "make it writable and resume"),
        (OSError(errno.EIO, "Input/output error", "/there/file"), r"/there cannot be .*: check the disk and resume"),
    ],
)
def test_the_words_say_what_to_do(tmp_path, error, said):
    import re

    assert re.search(said, disk.trouble(error, tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        UserError("No space left on device"), KeyError("a"), OSError(errno.EBADF, "Bad file descriptor"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
)  # fmt: skip
def test_other_errors_are_none_of_the_disks(tmp_path, error):
    assert disk.trouble(error, tmp_path) is None
