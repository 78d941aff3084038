"""Runs as lines over parallel axes, a setting or a result each. Ranges of an axis are brushed, and the runs within selected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pages.parts.address import Settings, Word
from pages.parts.components import pictures
from pages.parts.components.loading import component, sent

KEY = "parallel_axes"
SETTINGS = Settings(brushed=Word())  # the ranges; an address does not hold more of them than a word may have
Value = float | str | None

_component = component(KEY)


@dataclass(frozen=True)
class Axis:
    """values: one for each run; None where a run has no such setting. network: whose result it is, for the colour of its title."""

    name: str
    values: tuple[Value, ...]
    unit: str = ""  # "%" for fractions
    network: str = ""


def parallel_axes(labels: Sequence[str], axes: Sequence[Axis], on_keep: Callable[[list[int]], None]) -> None:
    """Draw the axes; `on_keep` gets the places of the runs in the brushed ranges, before the page runs again."""
    plain: list[dict[str, Any]] = [_plain(axis) for axis in axes]
    _component(
        key=KEY,
        data={"labels": list(labels), "axes": plain, "start": SETTINGS.read(), "usual": SETTINGS.usual()},
        on_looked_change=lambda: SETTINGS.remember(sent(KEY, "looked", dict)),
        on_kept_change=lambda: on_keep([place for place in sent(KEY, "kept", list) or [] if isinstance(place, int)]),
    )


def _plain(axis: Axis) -> dict[str, Any]:
    """Words are sorted and become places on the axis; numbers keep their distances."""
    known = [value for value in axis.values if value is not None]
    words = any(isinstance(value, str) for value in known)
    scale = sorted({str(value) for value in known}, key=_number_first) if words else []
    values = [None if value is None else scale.index(str(value)) if words else value for value in axis.values]
    colour = pictures.colour(axis.network) if axis.network else ""
    return {"name": axis.name, "unit": axis.unit, "colour": colour, "words": scale, "values": values}


def _number_first(word: str) -> tuple[bool, float, str]:
    try:
        return False, float(word), ""
    except ValueError:
        return True, 0.0, word
