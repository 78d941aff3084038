"""A memory that is full ends a run with a sentence that says what needs less, whichever library met it."""

import numpy as np
import pytest
import torch

from kdcore.runner import Runner, job
from kdcore.runtime import memory_full
from kdcore.store import Store
from kdcore.training.distiller import Distiller


def raised(act) -> BaseException:
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("it did not raise")


def caused() -> None:
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("a batch could not be made") from error


@pytest.mark.parametrize(
    "act",
    [
        lambda: torch.empty(1 << 46),  # DefaultCPUAllocator: can't allocate memory
        lambda: np.empty(1 << 60, np.uint8),
        lambda: bytearray(1 << 62),
        lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        lambda: (_ for _ in ()).throw(RuntimeError("CUDA error: out of memory")),
        caused,
    ],
)
def test_every_library_s_error_is_known(act):
    assert memory_full.is_full(raised(act))


@pytest.mark.parametrize(
    "error", [ValueError("not enough memory"), RuntimeError("shapes do not fit"), OSError("no file")]
)
def test_other_errors_are_none_of_memory(error):
    assert not memory_full.is_full(error)


@pytest.mark.parametrize(
    ("size", "parts", "said"),
    [
        (
            64,
            1,
            "at 64 images at a time. What needs less: optimizer.accumulate: 2 computes each batch in 2 parts of 32",
        ),
        (64, 4, "at 16 images at a time. What needs less: optimizer.accumulate: 8 computes each batch in 8 parts of 8"),
        (64, 32, "at 2 images at a time. What needs less: a smaller data.batch_size; a smaller data.image_size"),
        (2, 1, "What needs less: a smaller data.batch_size; a smaller data.image_size; or a smaller model."),
    ],
)
def test_the_sentence_offers_a_smaller_batch(size, parts, said):
    sentence = memory_full.sentence("cuda:0", size, parts)
    assert sentence.startswith("The memory of cuda:0 is full, at ")
    assert said in sentence


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_the_run_ends_with_it_and_the_next_one_goes_on(tmp_path, tiny, monkeypatch, error):
    runner, train = Runner(Store(tmp_path / "runs"), device="cpu", threads=1), job.train

    def full(parts):
        for event in train(parts):
            if parts.step >= 2:
                raise error
            yield event

    try:
        with monkeypatch.context() as patched:
            patched.setattr(job, "train", full)
            (run_id,) = runner.start(tiny())
            assert runner.wait(run_id, 60)
        state = runner.store.state(run_id)
        assert (state.status, state.step) == ("failed", 1)
        assert state.reason == (
            "The memory of this machine is full, at 16 images at a time. What needs less: optimizer.accumulate: 2 computes each "
            "batch in 2 parts of 8 images, with less memory and the same number of steps; a smaller data.image_size; or a "
            "smaller model. Other programs may also be using the memory."
        )
        (again,) = runner.start(tiny(epochs=1))
        assert runner.wait(again, 60)
        assert runner.store.state(again).status == "finished"
    finally:
        runner.close()


def test_a_run_whose_gpu_memory_was_full_in_a_step_can_go_on(tmp_path, tiny, monkeypatch):
    runner, step = Runner(Store(tmp_path / "runs"), device="cpu", threads=1), Distiller.forward

    def full(self, *arguments, **settings):
        if any(runner.store.root.glob("*/checkpoints/*.safetensors")):  # in the second epoch
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(self, *arguments, **settings)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(Distiller, "forward", full)
            (run_id,) = runner.start(tiny(twin=False, probes={"images": 0}))
            assert runner.wait(run_id, 300)
        state = runner.store.state(run_id)
        assert (state.status, state.step) == ("failed", 5)
        assert state.reason.startswith(memory_full.MEMORY_FULL)
        assert "optimizer.accumulate: 2 computes each batch in 2 parts of 8 images" in state.reason
        runner.resume(run_id)
        assert runner.wait(run_id, 300)
        assert runner.store.state(run_id).status == "finished"
    finally:
        runner.close()
