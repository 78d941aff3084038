"""A recipe: everything that decides a run, as plain data. YAML in and out; unknown keys and bad ranges are refused.

    made = recipe.load("assets/recipes/quick.yaml")
    shorter = recipe.with_overrides(made, ["epochs=3"])

A section a file: `data`, `models`, `terms`, `optimizer`, and the whole of them in `recipe`. `yaml_text` reads and writes
YAML, `reading` makes recipes of it and of plain data, `changing` gives copies with other settings, and `refusal` describes
what is wrong with one.

A recipe has a `note`: what it reproduces, what to expect and what it costs. It belongs to the recipe as it was written: a copy with
other settings has none, unless it is given its own.
"""

from kdcore.errors import RecipeError
from kdcore.recipe.changing import overrides, with_fitting_note, with_overrides, with_values
from kdcore.recipe.data import DataRecipe
from kdcore.recipe.models import FineTune, ModelRecipe, TeacherRecipe, TwinRecipe
from kdcore.recipe.optimizer import OptimizerRecipe
from kdcore.recipe.reading import from_plain, from_yaml, load
from kdcore.recipe.recipe import Probes, Recipe
from kdcore.recipe.refusal import validated
from kdcore.recipe.terms import Term

__all__ = [
    "DataRecipe", "FineTune", "ModelRecipe", "OptimizerRecipe", "Probes", "Recipe", "RecipeError", "TeacherRecipe", "Term",
    "TwinRecipe", "from_plain", "from_yaml", "load", "overrides", "validated", "with_fitting_note", "with_overrides",
    "with_values",
]  # fmt: skip
