"""Recipes from YAML files, YAML text and plain data."""

from pathlib import Path
from typing import Any

from kdcore.errors import RecipeError, clipped, shortened
from kdcore.paths import allowed
from kdcore.recipe import yaml_text
from kdcore.recipe.recipe import Recipe
from kdcore.recipe.refusal import validated
from kdcore.recipe.yaml_text import Lines


def load(path: str | Path) -> Recipe:
    """Read a recipe file. Raises RecipeError, also where there is no such file; NotAllowed where it may not be read."""
    lines: Lines = {}
    return from_plain(
        yaml_text.read_file(allowed(Path(path)), kind="recipe", lines=lines), source=str(path), lines=lines
    )


def from_yaml(text: str | bytes, *, source: str = "the recipe") -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: not YAML, or more of it than a recipe has; an unknown key (with the nearest known one), a value out of
            range.
    """
    lines: Lines = {}
    return from_plain(yaml_text.read(text, source=source, lines=lines), source=source, lines=lines)


def from_plain(plain: Any, *, source: str = "the recipe", lines: Lines | None = None) -> Recipe:
    """Like `from_yaml`, for plain Python data. `lines` are those of its values in a file, for messages."""
    if plain is None:
        raise RecipeError(f"{clipped(source)} is empty: a recipe has keys such as data, teacher, student and terms.")
    if not isinstance(plain, dict):
        raise RecipeError(
            f"{clipped(source)} should be a mapping with keys such as data, teacher, student and terms, not {shortened(plain)}."
        )
    return validated(Recipe, plain, source, lines)
