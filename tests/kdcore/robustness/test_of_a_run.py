"""Outcomes of a run's networks lie with the run, survive a killed process, and go with the run."""

import os
import signal

import pytest

from kdcore.cli.robustness import expanded
from kdcore.data import perturbations
from kdcore.errors import UserError
from kdcore.inspection import robustness
from kdcore.paths import data_folder
from kdcore.robustness import CLEAN, Condition, evaluate, evaluation
from kdcore.runner import Runner

SCRAMBLED = Condition("patch_scramble", 4)


@pytest.fixture
def run(store, tiny) -> str:
    runner = Runner(store, device="cpu", threads=1)
    data = {
        "name": "cues",
        "image_size": 32,
        "train_images": 40,
        "test_images": 30,
        "validation": 0.2,
        "batch_size": 16,
    }
    (run_id,) = runner.start(tiny(epochs=1, data=data, probes={"images": 0}))
    assert runner.wait(run_id, 120)
    runner.close()
    assert store.state(run_id).status == "finished"
    return run_id


def test_outcomes_are_with_the_run_and_go_with_it(store, run):
    assert robustness.of_run(run, store) is None
    learners = expanded([f"run:{run}"], store)  # its teacher has random weights that were not saved
    assert learners == [f"run:{run}/student", f"run:{run}/twin"]
    *_, progress = robustness.assess(learners, ["clean", "patch_scramble@4"], store, images=30, threads=1)
    assert progress.result.missing == ()
    folder = store.folder(run) / "robustness"
    assert sorted(file.name for file in folder.glob("student/*.npz")) == ["clean.npz", "patch_scramble@4.npz"]
    assert not (data_folder() / "robustness").exists()
    found = robustness.kept(learners, store)
    assert found.conditions == ("clean", "patch_scramble@4")
    assert found.images == 30
    assert {row.measure for row in robustness.table(found)} >= {"accuracy", "consistency", "ece"}
    family, kept = robustness.of_run(run, store)
    assert family.roles == {"student": learners[0], "twin": learners[1]}
    assert kept.conditions == found.conditions
    gallery = robustness.gallery(learners, "patch_scramble@4", store, per_page=4)
    assert (gallery.total, gallery.pages, len(gallery.images)) == (30, 8, 4)
    assert set(gallery.images[0].heatmaps) == set(learners)
    assert robustness.preview(learners[0], "patch_scramble@4", store, count=3).perturbed.shape == (3, 32, 32, 3)
    live = robustness.live(learners, "patch_scramble@2", store, images=20)
    assert set(live.accuracy) == set(learners)
    assert live.images == 20
    with pytest.raises(ValueError, match=r"have not been evaluated on Cue conflict .*: evaluate them on it first"):
        robustness.gallery(learners, "cues_conflict", store)
    store.delete(run)
    assert not folder.exists()


def test_a_run_that_is_deleted_while_it_is_evaluated_ends_it_in_words_and_stays_deleted(store, run):
    steps = robustness.assess([f"run:{run}/student"], ["clean", "patch_scramble@4"], store, images=30, threads=1)
    next(steps)
    folder = store.folder(run)
    store.delete(run)
    with pytest.raises(
        UserError, match=f"The run {run} was deleted, so its networks cannot be evaluated: choose others"
    ):
        list(steps)
    assert not folder.exists()


def test_a_killed_process_leaves_what_was_complete(store, files, monkeypatch):
    read, write = os.pipe()
    child = os.fork()
    if not child:  # evaluates until it is killed in the middle of the second condition
        steps = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN, SCRAMBLED], batch=10)
        for _ in range(5):
            next(steps)
        os.write(write, b"x")
        signal.pause()
    assert os.read(read, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    made = []
    kind = type(perturbations.get("patch_scramble"))
    perturb = kind.perturb
    monkeypatch.setattr(
        kind, "perturb", lambda self, clean, *rest: made.append(len(clean.images)) or perturb(self, clean, *rest)
    )
    *_, last = evaluate(evaluation([files["cnn"]], store, images=30), [CLEAN, SCRAMBLED], batch=10)
    assert (last.done, last.total, sum(made)) == (30, 30, 30)
    assert set(last.outcomes[files["cnn"]]) == {CLEAN, SCRAMBLED}
