"""Copies of a recipe with some settings changed, checked like any other recipe."""

from typing import Any, NoReturn

from kdcore.errors import RecipeError, clipped, shortened
from kdcore.recipe import yaml_text
from kdcore.recipe.reading import from_plain
from kdcore.recipe.recipe import Recipe


def with_overrides(recipe: Recipe, overrides: list[str], *, option: str = "") -> Recipe:
    """A copy with dotted settings changed, as in `epochs=3` or `data.labels=500` or `terms.0.weight=0.5`.

    Args:
        option: what messages put before a setting, for example `--set`.

    Raises:
        RecipeError: the key is unknown or the value does not fit.
    """
    changes = clipped(" ".join(f"{option} {each}" for each in overrides) if option else ", ".join(overrides))
    return with_values(recipe, values_of(overrides, option=option), source="the recipe with " + changes)


def values_of(overrides: list[str], *, option: str = "") -> dict[str, Any]:
    """Dotted setting -> value, of overrides in text; arguments and errors as `with_overrides`."""
    values = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(f"{shortened(override)} is not KEY=VALUE, for example data.labels=500.")
        named = f"{option} {clipped(override)}" if option else f"The value of {shortened(override)}"
        values[key.strip()] = yaml_text.read(value, source=named)
    return values


def overrides(recipe: Recipe, changed: Recipe) -> list[str]:
    """The settings in which a recipe was changed, as `with_overrides` takes them: `with_overrides(recipe, these) == changed`."""
    found = _differing(recipe.model_dump(mode="json"), changed.model_dump(mode="json") | {"note": recipe.note}, "")
    if changed.note != _note(recipe, changed):
        found["note"] = changed.note
    return [f"{key}={yaml_text.in_a_line(value)}" for key, value in found.items()]


def _differing(one: dict[str, Any] | list[Any], other: dict[str, Any] | list[Any], start: str) -> dict[str, Any]:
    """Dotted key -> the other's value. Entries of lists are compared one by one where these are equally long."""
    places = one.keys() if isinstance(one, dict) else range(len(one))
    found: dict[str, Any] = {}
    for place in places:
        key, before, after = f"{start}{place}", one[place], other[place]  # type: ignore[index]
        if before == after:
            continue
        if _comparable(before, after):
            found |= _differing(before, after, f"{key}.")
        else:
            found[key] = after
    return found


def _comparable(one: Any, other: Any) -> bool:
    """Whether two values are sections with the same keys, or lists of as many sections."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys()
    if not (isinstance(one, list) and isinstance(other, list)) or len(one) != len(other):
        return False
    return bool(one) and all(isinstance(each, dict) for each in [*one, *other])


def term_of(text: str, *, option: str) -> dict[str, Any]:
    """A term of a recipe from YAML. Raises RecipeError where it is no mapping; its settings are checked with the recipe."""
    term = yaml_text.read(text, source=f"{option} {clipped(text)}")
    if not isinstance(term, dict):
        raise RecipeError(f'{option} {clipped(text)} is not a term, for example {option} "{{method: sp, weight: 1}}".')
    return term


def with_values(recipe: Recipe, values: dict[str, Any], *, source: str = "the recipe") -> Recipe:
    """Like `with_overrides`, for plain data: `{"epochs": 3, "terms.0.weight": 0.5}`. A value may be a whole section.

    The note goes where settings that it may speak of change, unless the values have another: see `with_fitting_note`.
    """
    plain = recipe.model_dump(mode="json")
    for key, value in values.items():
        *parents, last = key.split(".")
        place: Any = plain
        for parent in parents:
            place = _inside(place, parent, key, plain)
        if isinstance(place, list):
            _inside(place, last, key, plain)
        elif not isinstance(place, dict):
            _refuse(key, plain)
        place[int(last) if isinstance(place, list) else last] = value
    changed = from_plain(plain, source=source)
    return changed if "note" in values else with_fitting_note(recipe, changed)


def with_fitting_note(recipe: Recipe, changed: Recipe) -> Recipe:
    """A changed copy of a recipe without the recipe's note, which is of the recipe as it was written: it may speak of any setting.

    It stays where at most the name and the seeds were changed, and so does a note of the copy's own.
    """
    if changed.note != recipe.note:
        return changed
    return changed.model_copy(update={"note": _note(recipe, changed)})


def _note(recipe: Recipe, changed: Recipe) -> str:
    """The recipe's note, or none where the copy differs in more than what no note speaks of."""
    free = {name: getattr(recipe, name) for name in ("name", "note", "seeds")}
    return recipe.note if changed.model_copy(update=free) == recipe else ""


def _inside(place: Any, part: str, key: str, plain: dict[str, Any]) -> Any:
    """The section or list entry named by one part of a dotted key. Raises RecipeError where there is none."""
    if isinstance(place, list):
        if not part.isdecimal() or len(part) > 9 or int(part) >= len(place):
            there = f"has {len(place)}, counted from 0" if place else "is empty"
            raise RecipeError(
                f"{shortened(key)} is not a setting of this recipe: there is no entry {shortened(part)}, the list {there}."
            )
        return place[int(part)]
    if not isinstance(place, dict) or part not in place:
        _refuse(key, plain)
    return place[part]


def _refuse(key: str, plain: dict[str, Any]) -> NoReturn:
    raise RecipeError(f"{shortened(key)} is not a setting of this recipe; it has {', '.join(plain)}.")


def with_half_the_batch(recipe: Recipe) -> Recipe | None:
    """A copy that computes half as many images at a time: each batch in twice as many parts, else a batch of half the size.
    None where a batch is one or two images already."""
    parts, size = 2 * recipe.optimizer.accumulate, recipe.data.batch_size
    if 2 * parts <= size and not recipe.compile:
        return with_values(recipe, {"optimizer.accumulate": parts})
    if size // 2 < 2:
        return None
    return with_values(recipe, {"data.batch_size": size // 2, "optimizer.accumulate": 1})
