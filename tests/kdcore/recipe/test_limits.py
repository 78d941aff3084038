import pytest

from kdcore.recipe import DataRecipe, OptimizerRecipe, Recipe
from kdcore.recipe.limits import limits
from kdcore.recipe.models import TwinRecipe
from kdcore.recipe.optimizer import LearningRate
from kdcore.recipe.terms import Adapt, Term


@pytest.mark.parametrize(
    ("section", "setting", "expected"),
    [
        (DataRecipe, "image_size", (8, 1024)),
        (DataRecipe, "train_images", (10, 10**9)),  # or none
        (DataRecipe, "labels", (0, 10**9)),  # or `all`
        (DataRecipe, "validation", (0.0, 0.9)),
        (DataRecipe, "label_noise", (0.0, 1.0)),
        (Recipe, "epochs", (1, 10_000)),
        (Term, "to_epoch", (1, 10_000)),
        (Adapt, "factor", (0.0, 1.0)),
        (OptimizerRecipe, "lr", (0.0, 1000.0)),
        (OptimizerRecipe, "weight_decay", (0.0, 1000.0)),
        (TwinRecipe, "lr", (0.0, 1000.0)),  # or none
        (LearningRate, "warmup_epochs", (0.0, None)),
        (Recipe, "note", (None, None)),
    ],
)
def test_limits_are_read_from_the_field(section, setting, expected):
    found = limits(section, setting)
    assert found == expected
    assert [type(bound) for bound in found] == [type(bound) for bound in expected]
