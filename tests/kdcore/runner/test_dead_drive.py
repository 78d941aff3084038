"""A drive that no longer answers ends the run with what happened; it can be resumed, and runs elsewhere go on."""

import errno
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kdcore.data import loading
from kdcore.data.folders import checking
from kdcore.errors import UserError
from kdcore.files import disk
from kdcore.runner import Runner, job
from kdcore.store import RunWriter, Store

GONE = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN]


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


@pytest.fixture
def images(tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


@pytest.mark.parametrize("code", GONE)
def test_images_on_a_drive_that_is_gone_are_not_left_out_one_by_one(runner, tiny, images, monkeypatch, code):
    data = {"name": "folder", "path": str(images), "image_size": 32, "batch_size": 8}
    decoded = checking.decoded

    def fails(file, size):
        if str(file).endswith("7.png"):
            raise OSError(code, os.strerror(code))
        return decoded(file, size)

    with monkeypatch.context() as patched:
        patched.setattr(checking, "decoded", fails)
        with pytest.raises(UserError, match=r"images/(cat|dog) cannot be .*and resume the run"):
            loading.load(tiny(data=data).data, "train")


def test_a_run_whose_drive_comes_back_goes_on(runner, tiny, monkeypatch):
    train = job.train

    def gone(parts):
        for event in train(parts):
            if parts.step >= 6:
                raise OSError(errno.ESTALE, "Stale file handle", "/net/photos/cat/1.png")
            yield event

    with monkeypatch.context() as patched:
        patched.setattr(job, "train", gone)
        (run_id,) = runner.start(tiny(epochs=3))
        assert runner.wait(run_id, 60)
    state = runner.store.state(run_id)
    assert (state.status, state.reason) == (
        "failed",
        "/net/photos/cat cannot be reached (stale file handle): check the network drive and its connection, and resume the run; "
        "it continues from its last checkpoint.",
    )
    runner.resume(run_id)
    assert runner.wait(run_id, 60)
    assert runner.store.state(run_id).status == "finished"


def test_a_download_that_timed_out_is_no_fault_of_a_drive(tmp_path):
    failed = UserError("It could not be downloaded.")
    failed.__cause__ = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
    assert disk.trouble(failed, tmp_path) is None


def test_a_run_whose_folder_is_removed_says_so_and_the_next_one_goes_on(runner, tiny, monkeypatch):
    append = RunWriter.append

    def removes(writer, event):
        if getattr(event, "step", 0) >= 3 and writer.folder.exists() and writer.folder.name == run_id:
            shutil.rmtree(writer.folder)
        append(writer, event)

    failures = []
    runner.listener = lambda run_id, event: failures.append(event) if type(event).__name__ == "RunFailed" else None
    run_id = ""
    with monkeypatch.context() as patched:
        patched.setattr(RunWriter, "append", removes)
        (run_id,) = runner.start(tiny(epochs=3))
        assert runner.wait(run_id, 60)
    assert failures[0].reason == f"The folder {runner.store.root / run_id} is missing: it was deleted or moved."
    assert run_id not in runner.store.ids()
    (later,) = runner.start(tiny(epochs=1))
    assert runner.wait(later, 60)
    assert runner.store.state(later).status == "finished"
