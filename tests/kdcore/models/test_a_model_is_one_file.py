"""A model is added with the file, the line and the test that CONTRIBUTING shows; nothing else is edited."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import kdcore.models
from kdcore import models
from kdcore import recipe as recipes
from kdcore.methods import build
from kdcore.models import own, zoo
from kdcore.paths import PROJECT
from kdcore.recipe import Term

SECTION = (
    (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Add a model\n")[2].partition("\n## ")[0]
)
MODEL, LINE, TEST = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
CLASSES = tuple("abcde")


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file from CONTRIBUTING is among the models, its line in the table."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "depthwise.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.setattr(kdcore.models, "__path__", [*kdcore.models.__path__, str(folder)])
    depthwise = importlib.import_module("kdcore.models.depthwise")
    line = eval("{" + LINE + "}", {"depthwise": depthwise, "Own": own.Own})
    for name, network in line.items():
        monkeypatch.setitem(own.OWN, name, network)
    yield
    sys.modules.pop("kdcore.models.depthwise", None)


def built(**spec: object) -> models.Tapped:
    return models.build(recipes.ModelRecipe(model="depthwise_cnn", **spec), CLASSES, 32)


def test_its_own_test_passes():
    names: dict[str, object] = {}
    exec(compile(TEST, "test_depthwise.py", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for each in tests:
        each()


def test_it_is_in_the_catalogue_and_near_names_find_it():
    assert "depthwise_cnn" in models.names()
    assert models.catalogue("depthwise cnn")[0] == "depthwise_cnn"
    assert models.default_image_size("depthwise_cnn") == 32
    with pytest.raises(ValueError, match="Did you mean 'depthwise_cnn'"):
        models.check("depthwise_cn")


def test_a_recipe_gives_its_options_and_wrong_ones_are_named():
    assert built(options={"widths": [8, 16]}).shapes().features == ((8, 16, 16), (16, 8, 8))
    with pytest.raises(ValueError, match="depthwise_cnn does not take the option 'strides'. It takes widths"):
        zoo.create("depthwise_cnn", 5, 32, {"strides": [1, 2]})


def test_its_weights_are_saved_and_loaded(tmp_path):
    model = built().eval()
    models.save(model, tmp_path / "mine.safetensors")
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(
        models.load(str(tmp_path / "mine.safetensors")).eval()(images).logits, model(images).logits
    )


def test_methods_on_logits_features_and_pooled_vectors_take_it_as_student_and_teacher():
    shapes = built().shapes()
    assert shapes.dense == (4, 4)  # its classifier reads the mean over the last map
    for name in ("kd", "fitnets", "crd", "attention"):
        assert build(Term(method=name), shapes, shapes)
