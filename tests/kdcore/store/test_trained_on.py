import pytest

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.store import Store
from kdcore.store.trained_on import data_of


def test_a_network_with_all_classes_of_a_dataset_was_trained_on_it(tmp_path):
    classes = datasets.of(DataRecipe(name="cues")).classes
    assert data_of("mine.safetensors", classes, Store(tmp_path)).name == "cues"


def test_two_of_its_classes_alone_are_no_dataset(tmp_path):
    refused = "mine.safetensors has the classes of no known dataset: cat, dog, ..."
    with pytest.raises(UserError, match=refused.replace(".", r"\.")):
        data_of("mine.safetensors", ("cat", "dog"), Store(tmp_path))
