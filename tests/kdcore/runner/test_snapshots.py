"""What a run keeps of its networks along the way."""

import pytest
import torch

from kdcore import models
from kdcore.runner import Runner, snapshots
from kdcore.store import Store
from kdcore.store.run_files import checkpoint


def kept_of(steps: int, moments: range) -> list[int]:
    """The snapshots of a run that could make one at these steps; one is always made at its start."""
    kept = [0]
    for step in moments:
        if snapshots.is_due(step, steps, kept[-1]):
            kept.append(step)
    return kept


def test_a_long_run_keeps_nine_evenly_spaced_from_start_to_end():
    assert kept_of(2000, range(10, 2001, 10)) == [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]


def test_a_short_run_keeps_every_epoch():
    assert kept_of(32, range(8, 33, 8)) == [0, 8, 16, 24, 32]


def test_a_run_whose_epochs_do_not_divide_keeps_its_start_and_its_end():
    kept = kept_of(110, range(11, 111, 11))
    assert (kept[0], kept[-1], len(kept)) == (0, 110, 9)


@pytest.fixture
def runner(tmp_path):
    made = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    yield made
    made.close()


def test_a_run_keeps_three_checkpoints_and_its_history_in_half_the_bytes(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=6))
    assert runner.wait(run_id, 60)
    store = runner.store
    steps = store.state(run_id).steps
    kept = store.snapshots(run_id)
    assert list(kept) == [steps * epoch // 6 for epoch in range(7)]
    assert len(list((store.folder(run_id) / "checkpoints").glob("*.safetensors"))) == 3

    last = checkpoint.load(store.checkpoint(run_id))["student"]
    narrow = checkpoint.load(kept[steps])["student"]
    assert narrow.keys() == last.keys()
    for name, tensor in last.items():
        whole = tensor.dim() < 2 or not tensor.is_floating_point()
        assert narrow[name].dtype == (tensor.dtype if whole else torch.float16)
        torch.testing.assert_close(narrow[name].to(tensor.dtype), tensor, rtol=1e-3, atol=1e-6)

    past = models.load(f"run:{run_id}/student@0", runs=store).state_dict()
    now = models.load(f"run:{run_id}/student", runs=store).state_dict()
    assert any((past[name] != now[name]).any() for name in now)

    store.delete(run_id)
    assert not kept[0].exists()


def test_a_resumed_run_drops_what_it_did_after_its_checkpoint(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=2))
    assert runner.wait(run_id, 60)
    store = runner.store
    with store.writer(run_id) as writer:
        for step in (3, 90):
            checkpoint.save({}, writer.snapshot_path(step))

        class Parts:  # resumed at step 5 of 10, so in the same part as no snapshot that is left
            step, steps, learners, models = 5, 10, {}, {}

        snapshots.begin(Parts, writer)
        assert list(writer.snapshots()) == [0, 3, 5]


def test_a_missing_moment_is_told_with_those_that_there_are(runner, tiny):
    (run_id,) = runner.start(tiny(epochs=1))
    assert runner.wait(run_id, 60)
    store = runner.store
    steps = store.state(run_id).steps
    with pytest.raises(ValueError, match=rf"no snapshot @7: its snapshots are of steps 0, {steps}\."):
        models.load(f"run:{run_id}/student@7", runs=store)
    with pytest.raises(ValueError, match=r"does not change: use run:.*/teacher, without @0\."):
        models.load(f"run:{run_id}/teacher@0", runs=store)
    for path in store.snapshots(run_id).values():
        path.unlink()
    with pytest.raises(ValueError, match="has no snapshots, .* train its recipe again to get them"):
        models.load(f"run:{run_id}/student@0", runs=store)
