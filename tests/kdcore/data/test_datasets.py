import pytest

from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe


@pytest.mark.parametrize("name", datasets.names())
def test_every_dataset_declares_what_others_ask(name, tmp_path):
    dataset = datasets.get(name)
    assert dataset.title
    assert dataset.summary.endswith(".")
    assert 8 <= dataset.image_size <= 1024
    assert dataset.own_keys <= set(DataRecipe.model_fields)
    if dataset.obtained != "folder":
        whole = datasets.of(DataRecipe(name=name))
        assert whole.class_count() == len(set(whole.classes)) == len(whole.classes)
        assert {"train", "test"} <= set(whole.pools)
        assert len(whole.planned_targets("train")) == whole.counts["train"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar", "Unknown dataset 'cifar'. Did you mean 'cifar10'? Known datasets: cues, cifar10, cifar100, folder."),
        ("base", "Unknown dataset 'base'"),
        ("../cues", "Unknown dataset '../cues'. Did you mean 'cues'"),
        ("datasets.cues", "Unknown dataset 'datasets.cues'"),
        ("CIFAR10", "Unknown dataset 'CIFAR10'"),
    ],
)
def test_an_unknown_dataset_is_refused_before_a_run(name, message):
    recipe = recipes.from_plain({"data": {"name": name}, "student": {"model": "three_stage_cnn_16"}})
    with pytest.raises(UserError) as refused:
        preflight.check(recipe)
    assert message in str(refused.value)


def test_a_folder_without_its_path_is_refused_before_a_run():
    recipe = recipes.from_plain({"data": {"name": "folder"}, "student": {"model": "three_stage_cnn_16"}})
    with pytest.raises(
        UserError, match="Data 'folder' needs `path`: a folder that holds one folder of images for each"
    ):
        preflight.check(recipe)


def test_the_classes_of_a_folder_are_counted_as_they_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("cat", "dog", ".cache", "__MACOSX"):
        (tmp_path / "pets" / "Train" / name).mkdir(parents=True)
    assert preflight.data_classes(DataRecipe(name="folder", path="~/pets")) == 2
    assert preflight.data_classes(DataRecipe(name="folder", path="~/nowhere")) is None


def test_a_dataset_is_found_by_its_classes():
    ten = datasets.of(DataRecipe(name="cifar10")).classes
    assert datasets.with_classes(ten) == DataRecipe(name="cifar10")
    assert datasets.with_classes(("dog", "cat")) == DataRecipe(name="cifar10", only=("dog", "cat"))
    assert datasets.with_classes(("dog", "unicorn")) is None


def test_a_run_of_a_dataset_that_is_gone_can_still_be_described():
    assert datasets.notes(DataRecipe(name="gone")) == ()
    assert datasets.title("gone") == "gone"
