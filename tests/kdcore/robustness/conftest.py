"""Small untrained networks for `cues`, and a store and a data folder of each test's own."""

import pytest
import torch

from kdcore import models
from kdcore.data.datasets.cues import Cues
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe
from kdcore.store import Store

SIDE = 32


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    return Store(tmp_path / "runs")


def network(model: str = "three_stage_cnn_16", seed: int = 0, **options) -> Tapped:
    torch.manual_seed(seed)
    return models.build(ModelRecipe(model=model, options=options), Cues.classes, SIDE).eval().requires_grad_(False)


@pytest.fixture
def networks(tmp_path, store) -> dict[str, str]:
    """References of two CNNs and a ViT, as files."""
    made = {
        "cnn": network(seed=1),
        "other": network(seed=2),
        "vit": network("small_vit_patch4_32", seed=3, dim=32, depth=2, heads=2),
    }
    for name, model in made.items():
        models.save(model, tmp_path / f"{name}.safetensors")
    return {name: str(tmp_path / f"{name}.safetensors") for name in made}
