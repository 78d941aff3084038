import pytest

from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.data import datasets, selection
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
        (
            "cifar",
            "Unknown dataset 'cifar'. Did you mean 'cifar10'? Known datasets: cues, cifar10, cifar100, folder, huggingface, shards.",
        ),
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


def test_a_setting_of_another_dataset_can_be_left_out():
    data = DataRecipe(name="cifar10", texture_agreement=0.9, labels=500)
    cleaned, notes = datasets.without_foreign(data)
    assert cleaned == DataRecipe(name="cifar10", labels=500)
    assert notes == (
        "`data.texture_agreement` is left out: it is 0.9, but only cues has this setting, so it had no effect.",
    )
    assert datasets.without_foreign(DataRecipe(texture_agreement=0.9)) == (DataRecipe(texture_agreement=0.9), ())


@pytest.mark.parametrize(("changes", "message"), [
    ({"name": "cifar10", "texture_agreement": 0.9}, "`data.texture_agreement` is 0.9, but only cues has this setting, and the dataset is cifar10"),
    ({"name": "cues", "path": "~/photos"}, "`data.path` is '~/photos', but only folder, huggingface and shards have this setting.*set `data.name` to folder, huggingface or shards"),
    ({"name": "cifar10", "only": ("cat", "dgo")}, "`data.only` names 'dgo', which is not a class of this dataset. Did you mean 'dog'"),
    ({"name": "cues", "only": ("star",)}, "two or more different classes"),
    ({"name": "cifar10", "train_images": 60_000}, "`data.train_images` is 60,000, but cifar10 has only 50,000"),
])  # fmt: skip
def test_what_does_not_fit_a_dataset_is_refused_before_the_run(changes, message):
    with pytest.raises(UserError, match=message):
        preflight.check_data(DataRecipe(**changes))


@pytest.mark.parametrize("changes", [
    {"name": "cifar10"}, {"name": "cifar10", "only": ("dog", "cat"), "train_images": 1000}, {"name": "cues", "train_images": 41},
    {"name": "cues", "only": ("star", "circle"), "train_images": 50, "test_images": 20},
])  # fmt: skip
def test_splits_are_counted_without_reading(changes):
    data = DataRecipe(**changes)
    counts = selection.counts(data)
    found = selection.source(data)
    if data.name == "cues":
        assert counts == {split: len(selected(data, split)) for split in selection.splits(data, found)}
    else:
        assert sum(counts[split] for split in ("train", "validation")) == (data.train_images or 50_000)


def selected(data, split):
    return selection.selected(data, selection.source(data), split)[1]
