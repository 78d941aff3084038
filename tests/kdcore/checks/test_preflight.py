import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from kdcore.checks import preflight
from kdcore.errors import UserError
from kdcore.recipe import RecipeError


def described(path, classes):
    save_file({"a": torch.ones(1)}, path, metadata={"kdcore": json.dumps({"classes": classes})})
    return str(path)


def test_a_thousand_classes_against_ten_are_refused_with_the_remedy(tiny):
    recipe = tiny(teacher={"model": "vit_tiny_patch16_224", "weights": "pretrained"})
    with pytest.raises(RecipeError, match=r"have 1000 classes, cues has 10: .*teacher\.finetune: \{epochs: 3\}"):
        preflight.check(recipe)


def test_fine_tuning_is_a_remedy(tiny):
    preflight.check(tiny(teacher={"model": "vit_tiny_patch16_224", "weights": "pretrained", "finetune": {"epochs": 1}}))


def test_the_classes_of_a_weight_file_are_in_its_header(tiny, tmp_path):
    good = described(tmp_path / "ten.safetensors", [str(i) for i in range(10)])
    preflight.check(tiny(teacher={"weights": good}))
    bad = described(tmp_path / "three.safetensors", ["a", "b", "c"])
    with pytest.raises(RecipeError, match="have 3 classes, cues has 10"):
        preflight.check(tiny(teacher={"weights": bad}))


def test_data_only_decides_how_many_classes_there_are(tiny):
    data = {**tiny().data.model_dump(), "only": ["star", "circle"]}
    with pytest.raises(RecipeError, match="have 10 classes, cues has 2"):
        preflight.check(tiny(data=data, teacher={"weights": "cues-teacher"}))
    preflight.check(tiny(data=data, teacher={"weights": "cues-teacher", "finetune": {"epochs": 1}}))


def test_the_classes_of_a_run_are_in_its_recipe(tiny, tmp_path):
    from kdcore.store import Store

    runs = Store(tmp_path)
    data = {**tiny().data.model_dump(), "name": "cifar100"}
    run_id = runs.create(tiny(data=data, teacher=None, terms=[{"method": "ce"}]))
    with pytest.raises(RecipeError, match="have 100 classes, cues has 10"):
        preflight.check(tiny(teacher={"weights": f"run:{run_id}/student"}), runs)


def test_the_classes_of_a_folder_are_its_subfolders(tiny, tmp_path):
    for name in ("B", "M", ".hidden"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "train" / name / f"{number}.png")
    data = {
        **tiny().data.model_dump(),
        "name": "folder",
        "path": str(tmp_path),
        "train_images": None,
        "test_images": None,
    }
    with pytest.raises(RecipeError, match="folder has 2"):
        preflight.check(tiny(data=data, teacher={"model": "resnet18", "weights": "pretrained"}))


def test_what_is_not_known_yet_passes(tiny):
    preflight.check(tiny(teacher={"model": "resnet56"}))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            "nowhere.safetensors",
            "There is no weight file nowhere.safetensors, nor .*nowhere.safetensors. See docs/results.md",
        ),
        ("nowhere.pth", "nowhere.pth is a pickle, .* python -m kdcore import-weights nowhere.pth"),
        ("cues-teachr", "There are no weights 'cues-teachr'. Did you mean 'cues-teacher'"),
    ],
)
@pytest.mark.parametrize("network", ["teacher", "student"])
def test_weights_that_are_not_there_are_refused_before_torch_is_loaded(tiny, network, weights, words):
    with pytest.raises(UserError, match=words):
        preflight.check(tiny(**{network: {"model": "resnet56", "weights": weights}}))


@pytest.mark.parametrize(("labels", "images"), [(500, 400), (5, 400)])
def test_impossible_numbers_of_labels_are_refused_before_any_image_is_read(tiny, labels, images):
    recipe = tiny(data={"labels": labels, "train_images": images})
    with pytest.raises(UserError, match=f"`data.labels` is {labels}, but there are 10 classes and 360 training images"):
        preflight.check(recipe)
    with pytest.raises(UserError, match="`data.labels` is "):
        preflight.check_data(recipe.data)


def two_folders(tmp_path, *classes):
    for name in classes:
        (tmp_path / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    return {"name": "folder", "path": str(tmp_path), "image_size": 8, "batch_size": 4}


def test_classes_of_a_folder_are_looked_up_by_name_only_where_the_teacher_has_them(tiny, tmp_path):
    other = preflight.class_counts(
        tiny(data=two_folders(tmp_path / "a", "squares", "dots"), teacher={"weights": "cues-teacher"})
    )
    assert "have 10 classes, the folder has 2" in other.finding
    assert [each.title for each in other.remedies] == [
        "Fine-tune it on this data first, for 3 epochs", "Use weights that were trained on these classes",
    ]  # fmt: skip
    same = preflight.class_counts(
        tiny(data=two_folders(tmp_path / "b", "Star", "circle"), teacher={"weights": "cues-teacher"})
    )
    assert preflight.MAP_CLASSES in same.remedies
