"""Recipes from whatever a caller has: a name, a file, a mapping, or another recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdcore import recipe as recipes
from kdcore.recipe import Recipe, library

RecipeLike = Recipe | Mapping[str, Any] | str | Path


def load_recipe(source: RecipeLike, **settings: Any) -> Recipe:
    """A recipe by its name in assets/recipes, from a YAML file, a mapping, or another recipe.

    Args:
        settings: values that replace the recipe's, such as `epochs=3` or `data={"labels": 500}`; a mapping replaces only the
            settings that it names, a list all of it.

    Raises:
        RecipeError: there is no such recipe, or a setting is unknown or out of its range.
    """
    made = _recipe(source)
    return recipes.with_values(made, _dotted(settings), source="the settings of the call") if settings else made


def _recipe(source: RecipeLike) -> Recipe:
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return recipes.from_plain(dict(source), source="the recipe of the call")
    return library.recipe(str(source))


def _dotted(settings: Mapping[str, Any], parents: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys: {"data": {"labels": 500}} -> {"data.labels": 500}."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{parents}{name}"
        flat |= _dotted(value, f"{key}.") if isinstance(value, Mapping) and value else {key: value}
    return flat
