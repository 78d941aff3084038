"""A stranger adds a dataset by adding the one file and the one test that CONTRIBUTING shows, and edits nothing else."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.cli import environment_check
from kdcore.cli.evaluate import dataset_of
from kdcore.data import datasets, loading
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from kdcore.recipe import DataRecipe, Recipe
from kdcore.setup import cost

SECTION = (
    (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Add a dataset\n")[2].partition("\n## ")[0]
)
DATASET, TEST = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file from CONTRIBUTING is among the datasets."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "bars.py").write_text(DATASET, encoding="utf-8")
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(folder)])
    yield
    sys.modules.pop("kdcore.data.datasets.bars", None)


def bars(**settings: object) -> Recipe:
    plain = {
        "data": {"name": "bars", "image_size": 32, **settings},
        "student": {"model": "three_stage_cnn_16"},
        "epochs": 1,
    }
    return recipes.from_plain(plain)


def test_it_is_among_the_datasets_and_a_recipe_may_name_it():
    assert datasets.names() == ("bars", "cues", "cifar10", "cifar100", "folder", "huggingface", "shards")
    assert recipes.from_yaml(bars().to_yaml()) == bars()
    preflight.check(bars())
    with pytest.raises(UserError, match="Unknown dataset 'bras'. Did you mean 'bars'"):
        preflight.check(bars(name="bras"))


def test_its_classes_are_known_without_reading_an_image():
    assert preflight.data_classes(DataRecipe(name="bars")) == 2
    teacher = {"weights": "cues-teacher"}
    with pytest.raises(UserError, match="10 classes, bars has 2"):
        preflight.check(
            recipes.from_plain({**bars().model_dump(mode="json"), "teacher": teacher, "terms": [{"method": "kd"}]})
        )


def test_its_splits_are_loaded():
    recipe = DataRecipe(name="bars", image_size=16, train_images=100, labels=20)
    assert loading.splits(recipe) == ("train", "validation", "test")
    assert [len(loading.load(recipe, split)) for split in loading.splits(recipe)] == [90, 10, 200]


def test_its_own_test_passes():
    names: dict[str, object] = {}
    exec(compile(TEST, "test_bars.py", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for each in tests:
        each()


def test_a_run_of_it_has_a_cost():
    assert cost.estimate(bars(), device=torch.device("cpu")).images == 900


def test_the_command_line_knows_it():
    assert environment_check.examine()["data"]["bars"] is True
    assert dataset_of(("horizontal", "vertical"))["name"] == "bars"


def test_the_train_page_offers_it(monkeypatch):
    def form() -> None:
        from kdcore.recipe import DataRecipe
        from pages.parts.train import sections

        sections.choose_data(DataRecipe().model_dump(mode="json"), "key")

    page = AppTest.from_function(form, default_timeout=30).run()
    (choice,) = page.button_group
    assert "Bars" in choice.options
    choice.set_value("bars").run()
    assert not page.exception
    assert "Bright bars on a dark background; the class is their direction." in [each.value for each in page.caption]
    assert page.number_input[0].value == 32
