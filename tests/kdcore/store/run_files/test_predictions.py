"""Predicted classes of the test images, stored beside a finished run's events."""

import shutil

import numpy as np
import pytest

from kdcore import recipe as recipes
from kdcore.events import RunFinished, RunStarted
from kdcore.store import Store

ARRAYS = {name: np.array([0, 1, 1], np.int16) for name in ("targets", "teacher", "student", "twin")}
RESULTS = {name: {"top1": 1.0, "count": 3} for name in ("teacher", "student", "twin")}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def finished(store: Store, **changes) -> str:
    run_id = store.create(recipes.from_plain({"student": {"model": "resnet20"}}))
    with store.writer(run_id) as writer:
        writer.append(RunStarted(0, 10, 1, "cpu", "fp32", ("cat", "ship"), 10, 10, {}))
        writer.append(RunFinished(**{"step": 10, "results": RESULTS, "seconds": 1.0, "arrays": ARRAYS, **changes}))
    return run_id


def test_they_are_read_as_they_were_reported_also_by_another_process(store):
    run_id = finished(store)
    for reader in (store, Store(store.root)):  # the second one reads the cached state
        found = reader.test_predictions(run_id)
        assert {name: values.tolist() for name, values in found.items()} == {name: [0, 1, 1] for name in ARRAYS}
    assert '"arrays"' not in (store.folder(run_id) / "events.jsonl").read_text()


def test_a_run_of_an_earlier_version_has_none(store):
    run_id = finished(store, arrays={})
    assert not (store.folder(run_id) / "test.npz").exists()
    assert store.test_predictions(run_id) is None
    assert store.state(run_id).status == "finished"


def test_a_run_that_has_not_finished_has_none(store):
    run_id = store.create(recipes.from_plain({"student": {"model": "resnet20"}}))
    np.savez(store.folder(run_id) / "test.npz", **ARRAYS)
    assert store.test_predictions(run_id) is None


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
NOT_OF_THE_RUN = {
    "too few images": {name: values[:2] for name, values in ARRAYS.items()},
    "a class too many": ARRAYS | {"twin": np.array([0, 1, 2])},
    "a class below zero": ARRAYS | {"twin": np.array([0, 1, -1])},
    "fractions": ARRAYS | {"twin": np.array([0.0, 1.0, 1.0])},
    "a network missing": {name: values for name, values in ARRAYS.items() if name != "twin"},
    "a network too many": ARRAYS | {"stranger": ARRAYS["twin"]},
    "a table": ARRAYS | {"targets": np.zeros((3, 1), int)},
    "a number": ARRAYS | {"targets": np.array(1)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_none_and_the_run_is_still_shown(store, damage):
    run_id = finished(store)
    damage(store.folder(run_id) / "test.npz")
    assert store.test_predictions(run_id) is None
    assert store.state(run_id).results == RESULTS


@pytest.mark.parametrize("arrays", NOT_OF_THE_RUN.values(), ids=NOT_OF_THE_RUN)
def test_arrays_that_are_not_of_the_runs_test_images_are_none(store, arrays):
    assert store.test_predictions(finished(store, arrays=arrays)) is None


@pytest.mark.parametrize("results", [RESULTS, {name: {"top1": 1.0} for name in RESULTS}], ids=["counted", "uncounted"])
def test_without_a_count_any_number_of_images_is_read(store, results):
    assert len(store.test_predictions(finished(store, results=results))["targets"]) == 3


def test_an_event_cannot_name_a_file_elsewhere(store):
    run_id = finished(store)
    events = store.folder(run_id) / "events.jsonl"
    events.write_text(events.read_text().replace('"test.npz"', '"../other/test.npz"'))
    state = store.state(run_id)
    assert "`file` of RunFinished should be test.npz or empty, not '../other/test.npz'" in state.damage
    assert store.test_predictions(run_id) is None


def test_a_half_written_file_is_removed_and_a_readers_cache_is_not(store):
    run_id = finished(store)
    ours, of_a_reader = (store.folder(run_id) / f".{name}.1-2.half" for name in ("test.npz", "folded.json"))
    ours.touch()
    of_a_reader.touch()
    with store.writer(run_id):
        assert (ours.exists(), of_a_reader.exists()) == (False, True)


def test_they_are_copied_and_deleted_with_the_run(store):
    run_id = finished(store)
    copied = shutil.copytree(store.folder(run_id), store.root / "copy")
    store.delete(run_id)
    assert list(store.root.iterdir()) == [copied]
    assert store.test_predictions("copy")["student"].tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="no run"):
        store.test_predictions(run_id)
