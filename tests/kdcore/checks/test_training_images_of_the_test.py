"""A teacher that was trained on the test images of a run is named before the run."""

import pytest

from kdcore import recipe as recipes
from kdcore.checks import training_images


@pytest.fixture
def recipe(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(20):
            (tmp_path / name / f"{number}.png").touch()
    plain = {
        "data": {"name": "folder", "path": str(tmp_path), "validation": 0, "seed": 3},
        "teacher": {"weights": "run:20260101-000000-a-0001/student"},
        "student": {"model": "resnet20"},
    }
    return recipes.from_plain(plain)


def test_a_teacher_of_another_split_of_the_folder_is_warned_of(recipe, monkeypatch):
    before = recipe.data.model_copy(update={"seed": 7})
    monkeypatch.setattr(training_images, "trained_on", lambda spec, runs: ([before], True))
    (found,) = training_images.of_the_test(recipe)
    assert (found.check, found.verdict) == ("test images", "warn")
    assert found.finding.startswith("The teacher was trained on ")
    assert (
        " % of the test images: its accuracy on them, and what the student gains from it, are too high" in found.finding
    )
    assert found.remedy == "Hold out the test images that it was not trained on (data.test_seed: 7)."
    mended = recipe.model_copy(update={"data": recipe.data.model_copy(update={"test_seed": 7})})
    assert training_images.of_the_test(mended) == ()


@pytest.mark.parametrize("known", [([], False), ([], True)])
def test_nothing_is_said_of_a_teacher_whose_images_are_not_known(recipe, monkeypatch, known):
    monkeypatch.setattr(training_images, "trained_on", lambda spec, runs: known)
    assert training_images.of_the_test(recipe) == ()
