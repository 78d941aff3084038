import json
import os
import re
import shutil
import time

import numpy as np
import pytest

from kdcore import models
from kdcore.data import perturbations
from kdcore.data.perturbations import Perturbation
from kdcore.files import locks
from kdcore.paths import data_folder
from kdcore.robustness import CLEAN, Condition, evaluate, evaluation, kept, parse
from kdcore.robustness.kept import Kept, first
from tests.small_disk import small_disk

SCRAMBLED = Condition("patch_scramble", 4)
CONDITIONS = [CLEAN, SCRAMBLED]


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """The networks that are loaded from now on."""
    found: list[str] = []
    whole = models.load

    def load(reference, **settings):
        found.append(reference)
        return whole(reference, **settings)

    monkeypatch.setattr(models, "load", load)
    return found


def run(references, store, conditions=CONDITIONS, images=30, batch=10):
    prepared = evaluation(references, store, images=images)
    *_, last = evaluate(prepared, conditions, batch=batch)
    return last


def files_of(folder) -> list[str]:
    return sorted(file.name for file in folder.glob("*/*.npz"))


def test_a_second_evaluation_reads_what_the_first_kept(store, files, loads):
    first_time = run([files["cnn"]], store)
    assert loads == [files["cnn"]]
    again = run([files["cnn"]], store)
    assert loads == [files["cnn"]]
    assert (again.done, again.total) == (0, 0)
    for condition in CONDITIONS:
        one, other = (each.outcomes[files["cnn"]][condition] for each in (first_time, again))
        np.testing.assert_array_equal(one.log_probabilities, other.log_probabilities)
        np.testing.assert_array_equal(one.targets, other.targets)


def test_fewer_images_are_read_from_more_and_more_are_computed(store, files, loads):
    whole = run([files["cnn"]], store, images=30).outcomes[files["cnn"]][CLEAN]
    part = run([files["cnn"]], store, images=20).outcomes[files["cnn"]][CLEAN]
    assert len(loads) == 1
    assert part.count == 20
    np.testing.assert_array_equal(part.log_probabilities, whole.log_probabilities[:20])
    run([files["cnn"]], store, images=40)
    assert len(loads) == 2


def test_only_what_is_missing_is_computed_after_an_interruption(store, files, monkeypatch):
    steps = evaluate(evaluation([files["cnn"]], store, images=30), CONDITIONS, batch=10)
    for _ in range(5):  # all of the clean images, and a part of the others
        next(steps)
    steps.close()
    assert files_of(data_folder() / "robustness") == ["clean.npz"]
    made = []
    set_class = type(perturbations.get("patch_scramble"))
    perturb = set_class.perturb
    monkeypatch.setattr(
        set_class,
        "perturb",
        lambda self, clean, strength: made.append(len(clean.images)) or perturb(self, clean, strength),
    )
    last = run([files["cnn"]], store)
    assert (last.done, last.total, sum(made)) == (30, 30, 30)
    assert files_of(data_folder() / "robustness") == ["clean.npz", "patch_scramble@4.npz"]


def test_a_network_that_joins_is_computed_alone(store, files, loads):
    run([files["cnn"]], store)
    loads.clear()
    last = run([files["cnn"], files["vit"]], store)
    assert loads == [files["vit"]]
    assert set(last.outcomes) == {files["cnn"], files["vit"]}
    assert all(set(each) == set(CONDITIONS) for each in last.outcomes.values())


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half of one"])
def test_a_damaged_file_is_computed_anew(store, files, loads, content):
    run([files["cnn"]], store, [CLEAN])
    (file,) = (data_folder() / "robustness").glob("*/clean.npz")
    file.write_bytes(content)
    assert run([files["cnn"]], store, [CLEAN]).done == 30
    assert len(file.read_bytes()) > 100


def test_a_foreign_file_is_computed_anew(store, files):
    prepared = evaluation([files["cnn"]], store, images=30)
    on_disk = prepared.kept[files["cnn"]]
    outcome = run([files["cnn"]], store, [CLEAN]).outcomes[files["cnn"]][CLEAN]
    assert on_disk.read(CLEAN, 30) is not None
    assert Kept(on_disk.network, "of other images").read(CLEAN, 30) is None
    file = on_disk.network.folder / "clean.npz"
    key = {"key": [0, "other weights"], "images": 30, "requested": 30}
    written = {"targets": outcome.targets.astype(np.int32), "log_probabilities": outcome.log_probabilities}
    np.savez(file, key=np.frombuffer(json.dumps(key).encode(), np.uint8), **written)
    assert on_disk.read(CLEAN, 30) is None
    np.savez(file, key=np.frombuffer(b"[]", np.uint8), **written)
    assert on_disk.read(CLEAN, 30) is None


def test_other_code_of_a_set_makes_its_outcomes_old(store, files, monkeypatch):
    run([files["cnn"]], store)
    monkeypatch.setattr(kept, "_code", lambda perturbation: "changed")
    prepared = evaluation([files["cnn"]], store, images=30)
    assert prepared.read(SCRAMBLED) == [files["cnn"]]
    assert prepared.read(CLEAN) == []


def test_other_weights_have_a_folder_of_their_own(store, files):
    run([files["cnn"], files["other"]], store, [CLEAN])
    assert files_of(data_folder() / "robustness") == ["clean.npz", "clean.npz"]


def test_a_cue_conflict_is_kept_for_each_number_of_images(store, files):
    condition = parse("fourier_cue_conflict@1")
    assert type(perturbations.get("fourier_cue_conflict")).prepare is not Perturbation.prepare
    for images in (20, 30):
        run([files["cnn"]], store, [condition], images=images)
    assert files_of(data_folder() / "robustness") == [f"fourier_cue_conflict@1+{n}.npz" for n in (20, 30)]
    on_disk = evaluation([files["cnn"]], store).kept[files["cnn"]]
    assert on_disk.read(condition, 20).count == 20
    assert on_disk.read(condition).count == 30
    assert on_disk.read(condition, 25) is None
    assert on_disk.conditions() == [condition]


def test_a_second_window_waits_and_reads(store, files):
    one = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN], batch=10)
    other = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN], batch=10)
    next(one)
    assert "is evaluating the same networks" in next(other).message
    for _ in one:
        pass
    *_, last = other
    assert (last.done, last.total, last.message) == (0, 0, "")
    assert last.outcomes[files["cnn"]][CLEAN].count == 30


def test_a_window_that_was_left_is_not_waited_for(store, files):
    one = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN], batch=10)
    next(one)
    (lock,) = (data_folder() / "robustness").glob("*/lock")
    os.utime(lock, (0, time.time() - 2 * kept.SILENT))
    assert run([files["cnn"]], store, [CLEAN]).done == 30
    one.close()


def test_locks_are_free_after_a_cancelled_evaluation(store, files):
    steps = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN], batch=10)
    next(steps)
    (lock,) = (data_folder() / "robustness").glob("*/lock")
    assert locks.is_held(lock)
    steps.close()
    assert not locks.is_held(lock)


def test_a_full_disk_loses_no_result_and_is_named(store, files):
    run([files["cnn"]], store, [SCRAMBLED])  # the set needs no cache
    root = data_folder() / "robustness"
    shutil.rmtree(root)
    root.mkdir()
    with small_disk(root, 1 << 12) as mounted:
        if not mounted:
            pytest.skip("no small disk can be mounted here: this needs root and mount -t tmpfs")
        (root / "full").write_bytes(bytes(1 << 12))
        last = run([files["cnn"]], store)
        assert not files_of(root)
    assert re.fullmatch(f"The disk is full: free some space in {root}/[0-9a-f]{{20}} and evaluate again.", last.unkept)
    assert [last.outcomes[files["cnn"]][each].count for each in CONDITIONS] == [30, 30]
    assert run([files["cnn"]], store).unkept == ""


def test_the_least_recently_used_networks_are_forgotten(store, files, monkeypatch):
    run([files["cnn"]], store, [CLEAN])
    (old,) = (data_folder() / "robustness").iterdir()
    os.utime(old, (0, 1))
    monkeypatch.setenv("KD_ROBUSTNESS_GB", "1e-9")
    run([files["other"]], store, [CLEAN])
    assert not (old / "clean.npz").exists()
    assert files_of(data_folder() / "robustness") == ["clean.npz"]


def test_the_first_images_of_an_outcome(store, files):
    outcome = run([files["cnn"]], store, [CLEAN]).outcomes[files["cnn"]][CLEAN]
    assert first(outcome, 40) is outcome
    assert first(outcome, 12).count == 12
