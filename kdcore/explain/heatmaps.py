"""Heatmaps of a batch: which maps a model has, one of them, or one at every layer and head.

Every map is a distribution over the model's own grid: no value below 0, the sum 1.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kdcore.errors import EmptyMap, NotDefined, UserError
from kdcore.explain import maps
from kdcore.explain.base import MapOptions
from kdcore.explain.grids import coarser
from kdcore.explain.reading.dependence import INDEPENDENT, depends_on_image
from kdcore.explain.reading.hooks import left_as_it_was
from kdcore.models import Tapped
from kdcore.tensors.finite import check_finite

FLAT = 1e-5  # a map whose values differ by less than this share of the largest is uniform


@dataclass(frozen=True, eq=False)
class Explanation:
    """Predictions for a batch, and the heatmap of each image.

    heatmaps: float32 [B, H, W], each summing to 1; NaN where `problems` has an entry.
    probabilities: float32 [B, K].
    targets: int64 [B], the class that each map explains, where the map depends on a class.
    problems: place in the batch -> why there is no map.
    """

    map_name: str
    heatmaps: np.ndarray
    probabilities: np.ndarray
    targets: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)


def heatmap(model: Tapped, images: Tensor, map_name: str, **options: Any) -> np.ndarray:
    """Where a model looks: float32 [B, H, W] that sums to 1, on the model's own grid.

    Args:
        images: [B, 3, H, W] in [0, 1], on the model's device.
        options: target, against, layer, head and query, as in `MapOptions`, for the maps that take them.

    Raises:
        NotDefined: the model does not have this map.
        EmptyMap: a map came out constant, zero everywhere or not a number.
        UserError: there is no such map, layer, head or class.
    """
    found = explain(model, images, map_name, **options)
    if found.problems:
        place, reason = next(iter(found.problems.items()))
        raise EmptyMap(f"{maps.card(map_name).title} of image {place + 1} of {len(images)}: {reason}")
    return found.heatmaps


def explain(model: Tapped, images: Tensor, map_name: str, **options: Any) -> Explanation:
    """Like `heatmap`, with the predictions of the same forward; one image without a map does not stop the others.

    For many calls, a `ready` copy of the network is faster.
    """
    chosen = MapOptions(**options)
    with left_as_it_was(model):
        independent = _check(model, images, map_name, chosen)
        logits, raw = maps.get(map_name).maps(model, images, chosen)
        check_finite(logits)
    heatmaps = raw.detach().float().cpu().numpy()
    problems = {
        i: reason for i, each in enumerate(heatmaps) if (reason := INDEPENDENT if independent else _problem(each))
    }
    for i in problems:
        heatmaps[i] = np.nan
    heatmaps = heatmaps / heatmaps.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    logits = logits.detach().float()
    targets = logits.argmax(dim=1) if chosen.target is None else chosen.target
    probabilities = logits.softmax(dim=1).cpu().numpy()
    return Explanation(map_name, heatmaps.astype(np.float32), probabilities, targets.cpu().numpy(), problems)


def maps_for(model: Tapped) -> tuple[str, ...]:
    """The maps that this model has."""
    return tuple(name for name, card in maps.cards().items() if not card.networks.lacking(model))


def default_map(model: Tapped) -> str:
    """A model's own map: class-token attention where it can be read, else activation energy."""
    return _first(model, [name for name, card in maps.cards().items() if card.own])


def counterpart(model: Tapped, map_name: str) -> tuple[str, str]:
    """The map that a comparison shows for this model, and why it is not `map_name`; "" where it is."""
    card = maps.card(map_name)
    if (lacking := card.networks.lacking(model)) and card.counterpart:
        return card.counterpart, lacking
    return map_name, ""


def layers_and_heads(model: Tapped, map_name: str) -> tuple[int, int]:
    """How many layers and heads a map can be taken of; 0 where it takes none."""
    card = maps.card(map_name)
    shapes = model.shapes()
    layers = len(shapes.attention if card.takes_head else shapes.features)
    heads = min((layer[0] for layer in shapes.attention), default=0)
    return (layers if card.takes_layer else 0), (heads if card.takes_head else 0)


def affinity_map(model: Tapped) -> str:
    """The map about one patch that `affinity` gives all patches of: patch attention of a ViT, else self-similarity."""
    return _first(model, [name for name, card in maps.cards().items() if card.takes_query])


def affinity(
    model: Tapped, images: Tensor, *, largest: int | None = None, **options: Any
) -> tuple[np.ndarray, tuple[int, int]]:
    """What every patch attends to or resembles: float32 [B, N, N], and the grid (H, W) with N = H W.

    Args:
        largest: cells a side at most; a finer grid is pooled.
        options: as in `MapOptions`: layer, and for a ViT head.
    """
    map_name, chosen = affinity_map(model), MapOptions(**options)
    with left_as_it_was(model):
        _check(model, images, map_name, chosen)
        shapes = model.shapes()
        stages = shapes.attention if maps.card(map_name).takes_head else shapes.features
        shape = stages[-1 if chosen.layer is None else chosen.layer]
        grid = (shape[1], shape[2])
        to = coarser(grid, largest) if largest else grid
        every: np.ndarray = maps.get(map_name).affinity(model, images, chosen, to)
    return every.astype(np.float32), to


def every_map(model: Tapped, images: Tensor, map_name: str, **options: Any) -> list[np.ndarray]:
    """A map at every layer and head: a float32 [B, heads, H, W] a layer, each map summing to 1; NaN where there is none.

    The heads axis is 1 long where the map takes no head; there is one layer where it takes no layer.
    """
    layers, heads = layers_and_heads(model, map_name)
    module = maps.get(map_name)
    if hasattr(module, "every_layer"):  # all of them from one forward
        with left_as_it_was(model):
            _check(model, images, map_name, MapOptions(**options))
            found: list[np.ndarray] = module.every_layer(model, images)
        return [each / each.sum(axis=(2, 3), keepdims=True) for each in found]
    return [
        np.stack(
            [
                explain(
                    model, images, map_name, **options, **_place(layer if layers else None, head if heads else None)
                ).heatmaps
                for head in range(max(heads, 1))
            ],
            axis=1,
        )
        for layer in range(max(layers, 1))
    ]


def _place(layer: int | None, head: int | None) -> dict[str, int]:
    return {name: place for name, place in (("layer", layer), ("head", head)) if place is not None}


def _first(model: Tapped, names: list[str]) -> str:
    """The first of these maps that the model has; where it has none, the last, whose refusal gives the reason."""
    return next((name for name in names if not maps.card(name).networks.lacking(model)), names[-1])


def _check(model: Tapped, images: Tensor, map_name: str, options: MapOptions) -> bool:
    """Refuse what this map, or this model, does not have. Returns whether the model's maps do not depend on the image.

    Raises:
        UserError: also where the model's outputs are not numbers.
    """
    card = maps.card(map_name)
    if lacking := card.networks.lacking(model):
        others = ", ".join(maps_for(model)) or "none"
        raise NotDefined(f"{card.title} is not defined for this model, because {lacking}. Its maps: {others}.")
    layers, heads = layers_and_heads(model, map_name)
    for word, chosen, count, taken in (
        ("layer", options.layer, layers, card.takes_layer),
        ("head", options.head, heads, card.takes_head),
    ):
        if chosen is not None and not taken:
            raise UserError(f"{card.title} takes no {word}; leave it out.")
        if chosen is not None and not 0 <= chosen < count:
            raise UserError(f"There is no {word} {chosen}: this model has {word}s 0 to {count - 1}.")
    if options.query is not None and not card.takes_query:
        about_a_patch = " and ".join(each.title for each in maps.cards().values() if each.takes_query)
        raise UserError(f"{card.title} is not about one patch, so it takes no `query`; {about_a_patch} do.")
    if options.against is not None and not card.explains_class:
        raise UserError(f"{card.title} does not depend on a class, so it takes no `against`.")
    _check_classes(len(model.classes), images, options)
    return not depends_on_image(model, model.image_size)


def _check_classes(classes: int, images: Tensor, options: MapOptions) -> None:
    for labels in (options.target, options.against):
        if labels is None:
            continue
        if labels.shape != images.shape[:1] or not bool(((labels >= 0) & (labels < classes)).all()):
            raise UserError(f"The class to explain should be one number an image, from 0 to {classes - 1}.")


def _problem(heatmap: np.ndarray) -> str:
    """Why a map is empty; "" where it is not."""
    if heatmap.size == 1:
        return "the network's grid is a single cell at this input size, so there is no place to point to."
    if not np.isfinite(heatmap).all():
        return "it is not a number: the network's weights or activations have overflowed."
    assert heatmap.min() >= 0, "maps have no negative values"
    if heatmap.max() == 0:
        return "it is zero everywhere: nothing here raises the score of this class, or the gradient vanished."
    if heatmap.max() - heatmap.min() <= FLAT * heatmap.max():
        return "it is the same everywhere, so it points nowhere."
    return ""
