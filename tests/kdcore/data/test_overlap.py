import numpy as np
import pytest

from kdcore.data import overlap, selection
from kdcore.recipe import DataRecipe

WHOLE = DataRecipe(name="cues", train_images=400, validation=0.25)


def share(split: str = "validation", other: DataRecipe = WHOLE, **changes) -> float | None:
    return overlap.share(WHOLE.model_copy(update=changes), split, other)


def test_a_network_never_trained_on_its_own_validation_images():
    assert share() == 0
    assert share("train") == 1


def test_validation_images_of_fewer_images_are_counted_one_by_one():
    data = WHOLE.model_copy(update={"train_images": 200, "validation": 0.1})
    own = selection.selected(data, selection.source(data), "validation")[1]
    trained = selection.selected(WHOLE, selection.source(WHOLE), "train")[1]
    expected = np.mean([place in set(trained) for place in own])
    assert 0 < expected < 1
    assert share(train_images=200, validation=0.1) == expected


def test_the_bundled_teacher_was_trained_on_most_validation_images_of_quick():
    bundled, quick = DataRecipe(), DataRecipe(train_images=4000)
    assert overlap.share(quick, "validation", bundled) == 351 / 400


@pytest.mark.parametrize("changes, expected", [
    ({"seed": 1}, 0.0),  # other drawings
    ({"name": "cifar10"}, 0.0),
    ({"texture_agreement": 0.9}, None),
    ({"name": "folder", "path": "/nowhere"}, None),
])  # fmt: skip
def test_other_data_is_not_shared_or_not_known(changes, expected):
    assert share(other=WHOLE.model_copy(update=changes)) == expected


def test_the_test_images_are_never_trained_on():
    assert share("test") == 0


def test_some_classes_of_a_dataset_are_the_same_images():
    some = {"only": ("star", "ring"), "train_images": 80, "validation": 0.25}
    own = WHOLE.model_copy(update=some)
    assert overlap.share(own, "validation", own) == 0
    assert overlap.share(own, "train", own) == 1
    assert 0.5 < overlap.share(own, "validation", WHOLE) < 1


def test_folders_count_by_path_and_seed(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(8):
                (tmp_path / split / name / f"{number}.png").touch()
    data = DataRecipe(name="folder", path=str(tmp_path), validation=0.25)
    assert overlap.share(data, "validation", data) == 0
    assert overlap.share(data, "validation", data.model_copy(update={"validation": 0.0})) == 1
    assert overlap.share(data, "test", data.model_copy(update={"seed": 1})) == 0  # a folder of their own
    assert overlap.share(data, "test", data.model_copy(update={"path": "/elsewhere"})) is None


@pytest.mark.parametrize("only", [None, ("dog", "cat")])
def test_test_images_that_are_split_off_with_another_seed_may_be_training_images_of_another_run(tmp_path, only):
    """Of each class of ten images a fifth is held out: by another seed, others, which its run has among its training images."""
    for name in ("bird", "cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.png").touch()
    data = DataRecipe(name="folder", path=str(tmp_path), validation=0, only=only)
    other = data.model_copy(update={"seed": 1, "only": None})
    tested, trained = (
        set(source.files(*selection.selected(each, source, split)[:2]))
        for each, split in ((data.model_copy(update={"only": None}), "test"), (other, "train"))
        for source in (selection.source(each),)
    )
    used = {name for name in tested if only is None or name.split("/")[0] in only}
    assert used & trained
    assert overlap.share(data, "test", other) == len(used & trained) / len(used)
    assert overlap.share(data, "test", data) == 0
