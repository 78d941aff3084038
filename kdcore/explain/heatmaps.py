"""Heatmaps of a batch: which maps a model can have, one of them, or all layers and heads of it.

Every map is a distribution over the model's own grid: no value below 0, the sum 1.
"""

import difflib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from kdcore.errors import UserError
from kdcore.explain import all_layers
from kdcore.explain.maps import (
    activation_energy,
    cls_attention,
    eigen_cam,
    grad_cam,
    grad_cam_plus_plus,
    gradient_rollout,
    hires_cam,
    input_gradient,
    layer_cam,
    occlusion,
    patch_attention,
    relevance,
    rollout,
    self_similarity,
)
from kdcore.explain.maps.base import Ask, EmptyMap, MethodCard, NotDefined, left_as_it_was
from kdcore.models import Tapped

_MAPS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        grad_cam,
        grad_cam_plus_plus,
        hires_cam,
        layer_cam,
        eigen_cam,
        cls_attention,
        rollout,
        gradient_rollout,
        relevance,
        patch_attention,
        activation_energy,
        self_similarity,
        input_gradient,
        occlusion,
    )
}
METHODS: dict[str, MethodCard] = {name: module.CARD for name, module in _MAPS.items()}
FLAT = 1e-5  # a map whose values differ by less than this share of the largest is the same everywhere


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model says of a batch, and where it looked.

    heatmaps: float32 [B, H, W], each summing to 1; NaN where `problems` says why there is none.
    probabilities: float32 [B, K].
    targets: int64 [B], the class that each map was asked for, where the method explains a class.
    problems: place in the batch -> the reason.
    """

    method: str
    heatmaps: np.ndarray
    probabilities: np.ndarray
    targets: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)


def heatmap(
    model: Tapped,
    images: Tensor,
    method: str,
    **asked: Any,
) -> np.ndarray:
    """Where a model looks: float32 [B, H, W] that sums to 1, on the model's own grid.

    Args:
        images: [B, 3, H, W] in [0, 1], on the model's device.
        asked: target, against, layer, head and query, as in `Ask`, for the methods that take them.

    Raises:
        NotDefined: the model cannot have this map.
        EmptyMap: a map came out constant, zero everywhere or not a number.
        ValueError: there is no such method, layer, head or class.
    """
    found = explain(model, images, method, **asked)
    if found.problems:
        place, reason = next(iter(found.problems.items()))
        raise EmptyMap(f"{METHODS[method].title} of image {place + 1} of {len(images)}: {reason}")
    return found.heatmaps


def explain(
    model: Tapped,
    images: Tensor,
    method: str,
    **asked: Any,
) -> Explanation:
    """Like `heatmap`, with the predictions of the same forward; one image without a map does not stop the others.

    A network that is asked often answers sooner once it is made `ready`.
    """
    ask = Ask(**asked)
    with left_as_it_was(model):
        _check(model, images, method, ask)
        logits, raw = _MAPS[method].maps(model, images, ask)
    heatmaps = raw.detach().float().cpu().numpy()
    problems = {i: reason for i, each in enumerate(heatmaps) if (reason := _problem(each))}
    for i in problems:
        heatmaps[i] = np.nan
    heatmaps = heatmaps / heatmaps.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    logits = logits.detach().float()
    targets = logits.argmax(dim=1) if ask.target is None else ask.target
    probabilities = logits.softmax(dim=1).cpu().numpy()
    return Explanation(method, heatmaps.astype(np.float32), probabilities, targets.cpu().numpy(), problems)


def default_map(model: Tapped) -> str:
    """A model's own map: class-token attention where there is a class token, else activation energy."""
    return "cls_attention" if model.has_attention else "activation_energy"


def methods_for(model: Tapped) -> tuple[str, ...]:
    """The maps that this model can have."""
    return tuple(name for name, card in METHODS.items() if not _lacking(model, card))


def layers_and_heads(model: Tapped, method: str) -> tuple[int, int]:
    """How many layers and heads there are to choose from for a method; 0 where it takes none."""
    card, shapes = METHODS[method], model.shapes()
    stages = len(shapes.attention if card.architectures == "vit" else shapes.features)
    heads = min((layer[0] for layer in shapes.attention), default=0)
    return (stages if card.takes_layer else 0), (heads if card.takes_head else 0)


def affinity(
    model: Tapped, images: Tensor, *, largest: int | None = None, **asked: Any
) -> tuple[np.ndarray, tuple[int, int]]:
    """What every patch attends to (ViT) or resembles (CNN): float32 [B, N, N], and the grid (H, W) with N = H W.

    One call answers every patch that a visitor may point at.

    Args:
        largest: cells a side at most; a finer grid is pooled to it.
        asked: as in `Ask`: layer, and for a ViT head.
    """
    method = "patch_attention" if model.has_attention else "self_similarity"
    ask = Ask(**asked)
    shape = (model.shapes().attention or model.shapes().features)[-1 if ask.layer is None else ask.layer]
    grid = (shape[1], shape[2])
    to = all_layers.coarser(grid, largest) if largest else grid
    with left_as_it_was(model):
        _check(model, images, method, ask)
        if method == "patch_attention":
            _, found = patch_attention.affinity(model, images, ask)
            every = np.stack([all_layers.pooled(each, grid, to) for each in found.float().cpu().numpy()])
        else:  # before N x N of them are compared: an early layer of a CNN has thousands of places
            every = self_similarity.affinity(model, images, ask, to if to != grid else None)[1].cpu().numpy()
    return every.astype(np.float32), to


def every_map(model: Tapped, images: Tensor, method: str, **asked: Any) -> list[np.ndarray]:
    """A method at every layer and head: a float32 [B, heads, H, W] a layer, each map summing to 1; NaN where there is none.

    The heads axis is 1 long where the method takes no head; there is one layer where it takes no layer.
    """
    layers, heads = layers_and_heads(model, method)
    if method == "cls_attention":
        with left_as_it_was(model):
            _check(model, images, method, Ask(**asked))
            found = all_layers.attention_of_all(model, images)
        return [each / each.sum(axis=(2, 3), keepdims=True) for each in found]
    return [
        np.stack(
            [
                explain(
                    model, images, method, **(asked | _place(layer if layers else None, head if heads else None))
                ).heatmaps
                for head in range(max(heads, 1))
            ],
            axis=1,
        )
        for layer in range(max(layers, 1))
    ]


def _place(layer: int | None, head: int | None) -> dict[str, int]:
    return {name: place for name, place in (("layer", layer), ("head", head)) if place is not None}


def _check(model: Tapped, images: Tensor, method: str, ask: Ask) -> None:
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"Unknown map {method!r}.{hint} Known maps: {', '.join(METHODS)}.")
    card = METHODS[method]
    if lacking := _lacking(model, card):
        others = ", ".join(methods_for(model)) or "none"
        raise NotDefined(f"{card.title} is not defined for this model, because {lacking}. Its maps: {others}.")
    layers, heads = layers_and_heads(model, method)
    for word, chosen, count, taken in (
        ("layer", ask.layer, layers, card.takes_layer),
        ("head", ask.head, heads, card.takes_head),
    ):
        if chosen is not None and not taken:
            raise UserError(f"{card.title} takes no {word}: it is one map for the whole network.")
        if chosen is not None and not 0 <= chosen < count:
            raise UserError(f"There is no {word} {chosen}: this model has {word}s 0 to {count - 1}.")
    if ask.query is not None and not card.takes_query:
        raise UserError(f"{card.title} asks about no patch; Patch attention and Self-similarity do.")
    if ask.against is not None and not card.explains_class:
        raise UserError(f"{card.title} is not about a class, so there is none to set it against.")
    classes = len(model.classes)
    for labels in (ask.target, ask.against):
        if labels is None:
            continue
        if labels.shape != images.shape[:1] or not bool(((labels >= 0) & (labels < classes)).all()):
            raise UserError(f"The class to explain should be one number an image, from 0 to {classes - 1}.")


def _lacking(model: Tapped, card: MethodCard) -> str:
    """What a model would need for a map; empty where it has all."""
    if card.architectures == "vit" and not model.has_attention:
        return "its class token's attention cannot be read" if model.prefix_tokens else "it has no class token"
    return "" if model.shapes().features else "none of its layers gives a map"


def _problem(heatmap: np.ndarray) -> str:
    """Why a map says nothing; empty where it says something."""
    if heatmap.size == 1:
        return "the network's grid is a single cell at this input size, so there is no place to point to."
    if not np.isfinite(heatmap).all():
        return "it is not a number: the network's weights or activations have overflowed."
    assert heatmap.min() >= 0, "maps have no negative values"
    if heatmap.max() == 0:
        return "it is zero everywhere: nothing here speaks for this class, or the gradient vanished."
    if heatmap.max() - heatmap.min() <= FLAT * heatmap.max():
        return "it is the same everywhere, so it points nowhere."
    return ""
