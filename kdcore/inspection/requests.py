"""A request for a map in terms that fit any network, and its resolution for one network."""

from dataclasses import dataclass
from typing import Any

from kdcore import explain
from kdcore.errors import UserError
from kdcore.models import Tapped


@dataclass(frozen=True)
class MapRequest:
    """Which map, and of what.

    map_name: a name in `explain.map_names()`; unless given the network's own map, with layer and head where it has them.
    substitute: for a network that does not have the map, its counterpart takes its place.
    layer, head: for the maps that take them, from 0.
    depth: instead of a layer, from 0 (the first) to 1 (the last), for networks with different numbers of layers.
    target: the class to explain, by its name or number; the predicted one unless given.
    against: a class whose score is subtracted: what speaks for `target` rather than for it.
    query: (row, column) of a patch on the network's grid, for maps about one; the middle unless given.
    """

    map_name: str | None = None
    substitute: bool = False
    layer: int | None = None
    depth: float | None = None
    head: int | None = None
    target: int | str | None = None
    against: int | str | None = None
    query: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.layer is not None and self.depth is not None:
            raise UserError("Give either a layer or a depth, not both: a depth chooses each network's layer.")
        if self.depth is not None and not 0 <= self.depth <= 1:
            raise UserError(f"A depth goes from 0, the first layer, to 1, the last; it is {self.depth:g}.")


@dataclass(frozen=True)
class Resolved:
    """A request for one network: the map, its options as in `explain.MapOptions` with classes as numbers, and why the map
    is not the requested one ("" where it is)."""

    map_name: str
    options: dict[str, Any]
    lacking: str = ""


def resolve(model: Tapped, request: MapRequest) -> Resolved:
    """The map and options of a request for one network. Raises UserError where the network has no such map or class."""
    map_name, lacking = request.map_name or explain.default_map(model), ""
    if request.substitute:
        map_name, lacking = explain.counterpart(model, map_name)
    card, layer = explain.map_card(map_name), request.layer
    if request.depth is not None and card.takes_layer:
        layer = layer_at(request.depth, explain.layers_and_heads(model, map_name)[0])
    options = {
        "layer": layer,
        "head": request.head,
        "query": request.query,
        "target": _class(model, request.target),
        "against": _class(model, request.against),
    }
    if request.map_name is None or lacking:  # nobody chose this map, so it takes of the options what it can
        takes = {
            "layer": card.takes_layer,
            "head": card.takes_head,
            "query": card.takes_query,
            "target": card.explains_class,
            "against": card.explains_class,
        }
        options = {name: value for name, value in options.items() if takes[name]}
    return Resolved(map_name, {name: value for name, value in options.items() if value is not None}, lacking)


def layer_at(depth: float, layers: int) -> int:
    """The layer at a depth from 0 to 1."""
    return round(depth * (layers - 1))


def _class(model: Tapped, named: int | str | None) -> int | None:
    if not isinstance(named, str):
        if named is not None and not 0 <= named < len(model.classes):
            raise UserError(f"There is no class {named}: this network has classes 0 to {len(model.classes) - 1}.")
        return named
    if named not in model.classes:
        known = ", ".join(model.classes[:12]) + (", ..." if len(model.classes) > 12 else "")
        raise UserError(f"This network has no class {named!r}. Its {len(model.classes)} classes: {known}.")
    return model.classes.index(named)
