"""Small untrained networks for a small `cues`, drawn once, and a store and a data folder of each test's own."""

import functools
from pathlib import Path

import pytest
import torch

from kdcore import models
from kdcore.data.datasets import cues
from kdcore.data.datasets.cues import Cues
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe
from kdcore.store import Store

SIDE, IMAGES = 32, 60
_draw = functools.cache(cues.drawn)


def drawn(*settings, **_) -> cues.Arrays:
    """The images of a pool; from the second test on without drawing them."""
    return _draw(*settings[:5])


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(cues, "drawn", drawn)
    monkeypatch.setattr(Cues, "counts", {"train": 200, "test": IMAGES, "cue_conflict": IMAGES})
    return Store(tmp_path / "runs")


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, str]:
    """Weight files of two CNNs and a ViT."""
    folder: Path = tmp_path_factory.mktemp("networks")
    for name, model in {
        "cnn": built(seed=1),
        "other": built(seed=2),
        "vit": built("small_vit_patch4_32", seed=3, dim=32, depth=2, heads=2),
    }.items():
        models.save(model, folder / f"{name}.safetensors")
    return {name: str(folder / f"{name}.safetensors") for name in ("cnn", "other", "vit")}


def built(model: str = "three_stage_cnn_16", seed: int = 0, **options) -> Tapped:
    torch.manual_seed(seed)
    return models.build(ModelRecipe(model=model, options=options), Cues.classes, SIDE).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def network():
    """Builds an untrained network: `network("three_stage_cnn_16", seed=1)`."""
    return built
