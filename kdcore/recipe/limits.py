"""The range of a numeric setting, read from its field, so that a form offers what the recipe accepts."""

from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

Limits = tuple[Any, Any]


def limits(section: type[BaseModel], setting: str) -> Limits:
    """The least and the most of a setting, int or float as the field is; None where there is no limit.

    A bound that the recipe excludes is given as well: the recipe refuses it, in its own words.
    """
    field = section.model_fields[setting]
    kinds, metadata = _flat(field.annotation)
    kind = float if float in kinds else int
    bounds = [*field.metadata, *metadata]
    return _first(bounds, ("ge", "gt"), kind), _first(bounds, ("le", "lt"), kind)


def _flat(annotation: Any) -> tuple[set[Any], list[Any]]:
    """All types within an annotation, and their `Annotated` metadata."""
    if not (parts := get_args(annotation)):
        return {annotation}, []
    kinds: set[Any] = set()
    metadata: list[Any] = []
    if get_origin(annotation) is Annotated:
        parts, metadata = parts[:1], [item for extra in parts[1:] for item in getattr(extra, "metadata", [extra])]
    for part in parts:
        more, further = _flat(part)
        kinds |= more
        metadata += further
    return kinds, metadata


def _first(bounds: Iterable[Any], names: tuple[str, str], kind: type[int] | type[float]) -> Any:
    found = (getattr(bound, name, None) for bound in bounds for name in names)
    value = next((value for value in found if value is not None), None)
    return None if value is None else kind(value)
