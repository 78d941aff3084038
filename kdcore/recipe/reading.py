"""Recipes from YAML files, YAML text and plain data."""

from pathlib import Path
from typing import Any

import yaml

from kdcore.recipe.recipe import Recipe
from kdcore.recipe.refusal import RecipeError, validated

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it: an eighth of the time


def load(path: str | Path) -> Recipe:
    """Read a recipe file. Raises RecipeError, also where there is no such file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"Cannot read the recipe {path}: {error.strerror}.") from None
    return from_yaml(text, source=str(path))


def from_yaml(text: str, *, source: str = "the recipe") -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: not YAML, an unknown key (with the nearest known one), a value out of range.
    """
    try:
        plain = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not valid YAML: {error}") from None
    return from_plain(plain, source=source)


def from_plain(plain: Any, *, source: str = "the recipe") -> Recipe:
    """Like `from_yaml`, for plain Python data."""
    if not isinstance(plain, dict):
        raise RecipeError(
            f"{source} should be a mapping with keys such as data, teacher, student and terms, not {plain!r}."
        )
    return validated(Recipe, plain, source)
