"""The teacher check says on which images a teacher is measured: those that it was trained on, or others."""

import json

import pytest

from kdcore import recipe as recipes
from kdcore.checks import training_images
from kdcore.recipe import DataRecipe, Recipe, TeacherRecipe
from kdcore.store import Store

DATA = {"name": "cues", "train_images": 400, "validation": 0.25, "image_size": 32}


def recipe(teacher: dict, **data) -> Recipe:
    return recipes.from_plain({"data": {**DATA, **data}, "teacher": teacher, "student": {"model": "three_stage_cnn_16"},
                               "terms": [{"method": "kd"}]})  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_a_bundled_teacher_has_seen_most_of_them():
    assert training_images.seen(recipe({"weights": "cues-teacher"}), "validation") > 0.8


def test_a_network_of_a_run_on_the_same_data_has_seen_none(store):
    run_id = store.create(recipe({"weights": "cues-teacher"}))
    own = recipe({"weights": f"run:{run_id}/student"})
    assert training_images.seen(own, "validation", store) == 0
    assert training_images.seen(own, "train", store) == 1
    other = recipe({"weights": f"run:{run_id}/student"}, validation=0.5)
    assert 0.3 < training_images.seen(other, "validation", store) < 1


def test_a_runs_teacher_is_that_of_its_recipe(store):
    run_id = store.create(recipe({"weights": "cues-teacher"}))
    expected = training_images.seen(recipe({"weights": "cues-teacher"}), "validation")
    assert training_images.seen(recipe({"weights": f"run:{run_id}/teacher"}), "validation", store) == expected


@pytest.mark.parametrize("teacher, expected", [
    ({"model": "resnet18", "weights": "pretrained"}, 0.0),  # on another library's data
    ({"model": "resnet20"}, 0.0),
    ({"weights": "somewhere.safetensors"}, None),
    ({"weights": "run:20200101-000000-gone-0000/student"}, None),
])  # fmt: skip
def test_weights_from_elsewhere(teacher, expected, store):
    assert training_images.seen(recipe(teacher), "validation", store) == expected


def test_a_teacher_that_is_fine_tuned_first_has_seen_the_training_images(store):
    tuned = recipe({"model": "resnet20", "finetune": {"epochs": 1}})
    assert training_images.seen(tuned, "validation", store) == 0
    assert training_images.seen(tuned, "train", store) == 1


def test_an_exported_file_has_a_card_with_its_data(tmp_path, store):
    file = tmp_path / "student.safetensors"
    card = file.with_suffix(".json")
    card.write_text(json.dumps({"recipe": {"data": DATA}}))
    assert training_images.trained_on(TeacherRecipe(weights=str(file)), store) == (
        [DataRecipe.model_validate(DATA)],
        False,
    )
    for damaged in ("[", "{}", '{"recipe": 3}', '{"recipe": {"data": {"name": 7}}}'):
        card.write_text(damaged)
        assert training_images.trained_on(TeacherRecipe(weights=str(file)), store) == ([], False)


@pytest.mark.parametrize("share, text", [
    (0.0, "It was not trained on these validation images."),
    (0.8775, "It was trained on 88 % of these validation images, so expect less on images that it has not seen."),
    (1.0, "It was trained on all of these validation images, so expect less"),
    (None, "Whether it was trained on some of these validation images is not known."),
])  # fmt: skip
def test_the_sentence(share, text):
    assert training_images.in_words(share, "validation images").startswith(text)
