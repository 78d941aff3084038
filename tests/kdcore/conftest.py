"""A run small enough for every test: a few dozen images of 32 pixels, a small ViT and a small CNN."""

from collections.abc import Callable
from typing import Any

import pytest

from kdcore import recipe as recipes
from kdcore.recipe import Recipe

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "name": "cues", "image_size": 16, "train_images": 100, "test_images": 20, "validation": 0.2,
        "batch_size": 16, "augment": ["flip", "crop"],
    },
    "teacher": {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}},
    "student": {"model": "three_stage_cnn_16", "options": {"convolutions": 1}},  # of a stage: a quarter less to compute
    "twin": True,
    "terms": [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0}, {"method": "attention", "weight": 0.1}],
    "epochs": 2,
    "probes": {"images": 2},
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Recipe]:
    """Makes the tiny recipe, with top-level keys replaced. Its teacher knows nothing and is accepted all the same."""

    def make(**changes: Any) -> Recipe:
        plain = {**TINY, **changes}
        if plain.get("teacher"):
            plain["teacher"] = {"accept": True, **plain["teacher"]}
        return recipes.from_plain(plain)

    return make
