"""Many runs, pages' reads and deletions in one process: no file handle, thread, cache or folder grows with them."""

import gc
import os
import threading

import numpy as np

from kdcore.events import Queued
from kdcore.inspection import Inspector
from kdcore.inspection.model_cache import SIZE
from kdcore.runner import Runner
from kdcore.store import Store
from kdcore.store.held import HELD_RECIPES, HELD_REPLAYS

RUNS = 40  # more than replays are held


def in_use() -> tuple[int, int]:
    """Open files, and threads."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def test_runs_that_are_trained_shown_and_deleted_leave_nothing(tiny, tmp_path):
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    inspector = Inspector(runner.store, threads=1)
    recipe = tiny(
        epochs=1, data={"name": "cues", "image_size": 32, "train_images": 40, "test_images": 20, "validation": 0.25}
    )
    pixels = np.zeros((32, 32, 3), np.uint8)

    def use() -> None:
        (run_id,) = runner.start(recipe)
        assert runner.wait(run_id, 120)
        assert runner.store.state(run_id).status == "finished"
        inspector.inspect(pixels, f"run:{run_id}/student")
        runner.store.series(run_id)
        runner.store.csv(run_id)
        runner.store.delete(run_id)

    use()
    before = in_use()
    for _ in range(3):
        use()
    files, threads = in_use()
    runner.close()
    assert files <= before[0] + 1
    assert threads <= before[1]
    assert list(os.listdir(runner.store.root)) == []
    assert len(inspector._models._models) <= SIZE
    held = runner.store._held
    assert not any((held._replays, held._ended, held._recipes, held._labelled, held._unwritten_failures))
    assert not held._folders._paths


def test_reading_many_runs_holds_a_fixed_number(tiny, tmp_path):
    store, recipe = Store(tmp_path / "runs"), tiny(epochs=1)
    files, threads = in_use()
    for _ in range(RUNS):
        run_id = store.create(recipe)
        with store.writer(run_id) as writer:
            writer.append(Queued())
    for _ in range(3):
        for state in store.states():
            store.recipe(state.id)
            store.series(state.id)
    assert len(store._held._replays) <= HELD_REPLAYS
    assert len(store._held._recipes) <= HELD_RECIPES
    for run_id in store.ids():
        store.delete(run_id)
    assert store.states() == []
    assert in_use()[0] <= files + 1
    assert in_use()[1] <= threads
