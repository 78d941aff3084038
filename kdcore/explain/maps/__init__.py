"""Heatmaps, one file each: its name is the map's name on the command line, on the page and in its test."""

import difflib
import importlib
from types import ModuleType

from kdcore import plugins
from kdcore.errors import UserError
from kdcore.explain.base import MapCard


def cards() -> dict[str, MapCard]:
    """Every map's card by the map's name, in the order of listings."""
    found = {name: get(name).CARD for name in _known()}
    return dict(sorted(found.items(), key=lambda each: (each[1].place, each[0])))


def card(name: str) -> MapCard:
    """One map's card. Raises UserError where there is no such map."""
    found: MapCard = get(name).CARD
    return found


def names() -> tuple[str, ...]:
    """All maps, in the order of listings."""
    return tuple(cards())


def get(name: str) -> ModuleType:
    """The module of a map: its `CARD`, and `maps(model, images, options)` -> logits [B, K] and maps [B, H, W].

    Raises:
        UserError: there is no such map; the message names the nearest.
    """
    known = _known()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"Unknown map {name!r}.{hint} Known maps: {', '.join(names())}.{plugins.hint(name)}")
    if plugin := plugins.parts(MapCard.part_kind).get(name):
        return plugin.module
    return importlib.import_module(f"{__name__}.{name}")


def own_names() -> list[str]:
    """The names of this project's maps."""
    return [module.name for module in plugins.modules(__path__)]


def _known() -> list[str]:
    return [*own_names(), *plugins.names(MapCard.part_kind)]
