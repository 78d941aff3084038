"""Diagnoses of runs on disk, and of real runs that were trained with a fault."""

import numpy as np
import pytest
import torch

from kdcore import recipe as recipes
from kdcore.checks import length
from kdcore.events import CheckpointReady, KnobTurned, Noted, RunFinished, RunStarted, StepEnded, StepTaken
from kdcore.paths import ASSETS
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.store.evidence import diagnoses, in_words, warnings
from kdcore.training.evaluation import drained
from kdcore.training.loop import train

RESULTS = {"student": {"top1": 0.8, "low": 0.7, "high": 0.9, "count": 100}}
STARTED = RunStarted(0, 100, 5, "cpu", "fp32", ("cat", "ship"), 1000, 500, {})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def written(store: Store, *events) -> str:
    run_id = store.create(recipes.from_plain({"student": {"model": "resnet20"}}))
    with store.writer(run_id) as writer:
        for event in events:
            writer.append(event)
    return run_id


def trained(store: Store, recipe, seed: int = 0) -> str:
    """A run as a runner stores it, without its checkpoints."""
    run_id = store.create(recipe)
    with store.writer(run_id) as writer:
        for event in train(drained(build_parts(recipe, seed=seed, device=torch.device("cpu")))):
            if not isinstance(event, CheckpointReady | StepTaken):
                writer.append(event)
    return run_id


def test_a_learning_rate_of_three_is_named_in_a_real_run(store, tiny):
    run_id = trained(store, tiny(optimizer={"lr": 3.0}, twin={"lr": 3.0}, teacher=None, terms=[{"method": "ce"}]))
    found = {diagnosis.kind: diagnosis for diagnosis in diagnoses(store, run_id)}
    assert found["diverged"].finding.endswith("The learning rate of 3 is probably too high.")
    assert {"at chance", "one class"} & found.keys()


def test_a_real_student_of_two_classes_that_always_predicts_one_is_named(store, tiny):
    data = {**tiny().data.model_dump(), "only": ("star", "ring"), "train_images": 40}
    run_id = trained(store, tiny(data=data, optimizer={"lr": 3.0}, teacher=None, twin=False, terms=[{"method": "ce"}]))
    predicted = store.test_predictions(run_id)["student"]
    assert len(np.unique(predicted)) == 1, "the fault that this test is about"
    (found,) = [diagnosis for diagnosis in diagnoses(store, run_id) if diagnosis.kind == "one class"]
    assert (
        f"The student predicts {('star', 'ring')[predicted[0]]!r} for every test image and so gets 50.0 %"
        in found.finding
    )


def test_a_real_run_with_a_random_teacher_says_so(store, tiny):
    found = diagnoses(store, trained(store, tiny(probes={"images": 0}, epochs=1)))
    assert "teacher at chance" in [diagnosis.kind for diagnosis in found]
    assert "diverged" not in [diagnosis.kind for diagnosis in found]


def test_the_bundled_recording_has_no_fault(tmp_path):
    recordings = Store(tmp_path / "runs", recorded=ASSETS / "runs")
    (run_id,) = recordings.ids()
    assert [diagnosis.kind for diagnosis in diagnoses(recordings, run_id) if not diagnosis.note] == []


def test_a_run_without_results_has_no_diagnosis(store):
    assert diagnoses(store, written(store, STARTED)) == ()


def test_a_run_whose_recipe_cannot_be_read_has_none(store):
    run_id = written(store, STARTED, KnobTurned(1, "weight/kd", 2.0), RunFinished(100, RESULTS, 9.0))
    (store.folder(run_id) / "recipe.yaml").write_text("[")
    assert diagnoses(Store(store.root), run_id) == ()


def test_changes_by_a_user_are_kept_with_their_epoch_also_in_the_cache(store):
    step = StepEnded(50, 2.5, {"student": {"total": 1.0}}, {}, {}, {}, 1e-3, 9.0, {})
    turns = [KnobTurned(50, "weight/kd", factor) for factor in (1.2, 1.7, 2.0)]  # a slider that was dragged
    run_id = written(store, STARTED, step, *turns, KnobTurned(60, "learning_rate", 0.5), RunFinished(100, RESULTS, 9.0))
    for reader in (store, Store(store.root)):
        changes = reader.state(run_id).knob_changes
        assert [(own["step"], own["epoch"], own["knob"], own["factor"]) for own in changes] == [
            (50, 2.5, "weight/kd", 2.0), (60, 2.5, "learning_rate", 0.5),
        ]  # fmt: skip
    (found,) = diagnoses(store, run_id)
    assert "weight of kd × 2 at epoch 2.5 (step 50)" in found.finding


def test_a_change_after_the_last_checkpoint_is_forgotten_when_the_run_resumes_there(store):
    resumed = RunStarted(10, 100, 5, "cpu", "fp32", ("cat", "ship"), 1000, 500, {}, resumed=True)
    run_id = written(store, STARTED, KnobTurned(30, "weight/kd", 2.0), resumed, RunFinished(100, RESULTS, 9.0))
    assert store.state(run_id).knob_changes == ()


def test_faults_in_words():
    assert in_words({"at chance": [0, 1], "diverged": [2]}) == "at chance (seeds 0, 1); diverged (seed 2)"


def test_too_few_steps_are_named_once(store, tiny):
    """Where a run ends with one class, by what is said of that; else by the warning before the run."""
    terms, data = [{"method": "ce"}], {**tiny().data.model_dump(), "only": ("star", "ring"), "train_images": 40}
    recipe = tiny(data=data, optimizer={"lr": 3.0}, teacher=None, twin=False, terms=terms)
    short = length.short(recipe, 32)
    assert short is not None
    one_class, other = trained(store, recipe), written(store, STARTED, RunFinished(100, RESULTS, 9.0))
    for run_id in (one_class, other):
        with store.writer(run_id) as writer:
            writer.append(Noted(short.in_words, "warning"))
            writer.append(Noted("Another.", "warning"))
    assert any("needs about 100" in each.remedy for each in diagnoses(store, one_class))
    assert warnings(store, one_class) == ("Another.",)
    assert warnings(store, other) == (short.in_words, "Another.")
