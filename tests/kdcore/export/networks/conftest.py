"""Tiny networks to export, and images of a dataset that is drawn in a moment."""

import pytest
import torch

from kdcore import models
from kdcore.export.networks.choosing import Chosen
from kdcore.models.tapped import Tapped
from kdcore.recipe import DataRecipe, ModelRecipe

CLASSES = ("owl", "wolf", "hare")


@pytest.fixture
def make_network():
    """A network with random weights, in eval mode: name -> Tapped."""

    def make(name: str, side: int = 32, classes: tuple[str, ...] = CLASSES, **options) -> Tapped:
        torch.manual_seed(0)
        spec = ModelRecipe(model=name, options=options, mean=(0.3, 0.4, 0.5), std=(0.2, 0.3, 0.4))
        return models.build(spec, classes, side).eval().requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def few_cues() -> DataRecipe:
    return DataRecipe(name="cues", image_size=64, train_images=120, test_images=60, validation=0.5)


@pytest.fixture(scope="session")
def student(few_cues) -> Chosen:
    """A trained network with its data."""
    network = models.load("cues-student").eval().requires_grad_(False)
    return Chosen("cues-student", "cues-student", network, few_cues)
