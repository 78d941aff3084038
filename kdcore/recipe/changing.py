"""Copies of a recipe with some settings changed, checked like any other recipe."""

from typing import Any

from kdcore.errors import RecipeError, clipped, shortened
from kdcore.recipe import yaml_text
from kdcore.recipe.reading import from_plain
from kdcore.recipe.recipe import Recipe


def with_overrides(recipe: Recipe, overrides: list[str]) -> Recipe:
    """A copy with dotted settings changed, as in `epochs=3` or `data.labels=500` or `terms.0.weight=0.5`.

    Raises:
        RecipeError: the key is unknown or the value does not fit.
    """
    values = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(f"{shortened(override)} is not KEY=VALUE, for example data.labels=500.")
        values[key.strip()] = yaml_text.read(value, source=f"The value of {shortened(override)}")
    return with_values(recipe, values, source="the recipe with " + clipped(", ".join(overrides)))


def with_values(recipe: Recipe, values: dict[str, Any], *, source: str = "the recipe") -> Recipe:
    """Like `with_overrides`, for plain data: `{"epochs": 3, "terms.0.weight": 0.5}`. A value may be a whole section."""
    plain = recipe.model_dump(mode="json")
    for key, value in values.items():
        *parents, last = key.split(".")
        place: Any = plain
        try:
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            if not isinstance(place, (dict, list)):
                raise KeyError(last)
            place[int(last) if isinstance(place, list) else last] = value  # type: ignore[index]
        except (KeyError, IndexError, ValueError, TypeError):
            raise RecipeError(f"{shortened(key)} is not a setting of this recipe; it has {', '.join(plain)}.") from None
    return from_plain(plain, source=source)
