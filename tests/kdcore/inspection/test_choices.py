"""The networks that can be inspected: a teacher that predicts no classes is left out, and the reason is given."""

import pytest

from kdcore import inspection, models
from kdcore.errors import UserError
from kdcore.models import fitting, weight_files
from kdcore.recipe import ModelRecipe
from kdcore.runner import Runner
from kdcore.store import Store

FEATURES = [{"method": "ce", "weight": 0.5}, {"method": "attention", "weight": 0.1}]
TEACHER = ModelRecipe(model="small_vit_patch4_32", options={"dim": 32, "depth": 2, "heads": 2})


def ran(recipe, folder) -> tuple[Store, str]:
    runner = Runner(Store(folder), device="cpu", threads=1)
    (run_id,) = runner.start(recipe)
    assert runner.wait(run_id, 90)
    runner.close()
    state = runner.store.state(run_id)
    assert state.status == "finished", state.reason
    return runner.store, run_id


def roles(store: Store) -> set[str]:
    return {choice.reference.rpartition("/")[2] for choice in inspection.choices(store) if choice.kind == "run"}


def test_a_teacher_without_a_classifier_is_not_listed_and_the_reason_is_given(tiny, tmp_path):
    network = models.build(TEACHER, tuple("vwxyz"), 32)
    path = tmp_path / "teacher.safetensors"
    weight_files.save(network, path, without=fitting.classifier_names(network.net))
    recipe = tiny(teacher={"weights": str(path), "accept": False}, terms=FEATURES, epochs=1)
    store, run_id = ran(recipe, tmp_path / "runs")
    assert roles(store) == {"student", "twin"}
    assert "it has no classifier, so it predicts no classes." in inspection.without_teacher(run_id, store)
    with pytest.raises(UserError, match=f"The teacher of run {run_id} has no classifier, so it predicts no classes."):
        models.load(f"run:{run_id}/teacher", runs=store)


def test_a_teacher_with_random_weights_is_not_listed(tiny, tmp_path):
    store, run_id = ran(tiny(epochs=1), tmp_path / "runs")
    assert roles(store) == {"student", "twin"}
    assert "it has random weights, which were not saved." in inspection.without_teacher(run_id, store)


def test_a_teacher_that_is_listed_or_absent_needs_no_reason(tiny, tmp_path):
    trained = tiny(
        teacher={"weights": "none", "model": TEACHER.model, "options": TEACHER.options, "finetune": {"epochs": 1}}
    )
    store, run_id = ran(trained, tmp_path / "runs")
    assert roles(store) == {"teacher", "student", "twin"}
    assert inspection.without_teacher(run_id, store) == ""
    alone = tiny(teacher=None, twin=False, terms=[{"method": "ce"}], epochs=1)
    store, run_id = ran(alone, tmp_path / "alone")
    assert inspection.without_teacher(run_id, store) == ""
