"""Where a network looks: a file each for the maps, whose name is the map's name; what two maps agree on; pictures.

Every map is a distribution over the model's own grid: no value below 0, the sum 1.
"""

import difflib
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
from torch import Tensor

from kdcore.explain import activation_energy, cls_attention, grad_cam, input_gradient, rollout
from kdcore.explain.agreement import METRICS, agreement
from kdcore.explain.base import EmptyMap, MethodCard, NotDefined, left_as_it_was
from kdcore.models import Tapped

__all__ = [
    "METHODS",
    "METRICS",
    "EmptyMap",
    "Explanation",
    "MethodCard",
    "NotDefined",
    "agreement",
    "default_map",
    "explain",
    "heatmap",
    "layers_and_heads",
    "methods_for",
]

_MAPS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (grad_cam, cls_attention, rollout, activation_energy, input_gradient)
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
    *,
    target: Tensor | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> np.ndarray:
    """Where a model looks: float32 [B, H, W] that sums to 1, on the model's own grid.

    Args:
        images: [B, 3, H, W] in [0, 1], on the model's device.
        target: [B], the class to explain; the one that the model names unless said.
        layer, head: for the methods that take them, counted from 0; the last layer and the mean over heads unless said.

    Raises:
        NotDefined: the model cannot have this map.
        EmptyMap: a map came out constant, zero everywhere or not a number.
        ValueError: there is no such method, layer, head or class.
    """
    found = explain(model, images, method, target=target, layer=layer, head=head)
    if found.problems:
        place, reason = next(iter(found.problems.items()))
        raise EmptyMap(f"{METHODS[method].title} of image {place + 1} of {len(images)}: {reason}")
    return found.heatmaps


def explain(
    model: Tapped,
    images: Tensor,
    method: str,
    *,
    target: Tensor | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> Explanation:
    """Like `heatmap`, with the predictions of the same forward; one image without a map does not stop the others."""
    with left_as_it_was(model):
        _check(model, images, method, target, layer, head)
        logits, raw = _MAPS[method].maps(model, images, target=target, layer=layer, head=head)
    heatmaps = raw.detach().float().cpu().numpy()
    problems = {i: reason for i, each in enumerate(heatmaps) if (reason := _problem(each))}
    for i in problems:
        heatmaps[i] = np.nan
    heatmaps = heatmaps / heatmaps.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    logits = logits.detach().float()
    targets = logits.argmax(dim=1) if target is None else target
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


def _check(
    model: Tapped, images: Tensor, method: str, target: Tensor | None, layer: int | None, head: int | None
) -> None:
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"Unknown map {method!r}.{hint} Known maps: {', '.join(METHODS)}.")
    card = METHODS[method]
    if lacking := _lacking(model, card):
        others = ", ".join(methods_for(model)) or "none"
        raise NotDefined(f"{card.title} is not defined for this model, because {lacking}. Its maps: {others}.")
    layers, heads = layers_and_heads(model, method)
    for word, asked, count, taken in (
        ("layer", layer, layers, card.takes_layer),
        ("head", head, heads, card.takes_head),
    ):
        if asked is not None and not taken:
            raise ValueError(f"{card.title} takes no {word}: it is one map for the whole network.")
        if asked is not None and not 0 <= asked < count:
            raise ValueError(f"There is no {word} {asked}: this model has {word}s 0 to {count - 1}.")
    if target is not None:
        classes = len(model.classes)
        if target.shape != images.shape[:1] or not bool(((target >= 0) & (target < classes)).all()):
            raise ValueError(f"The class to explain should be one number an image, from 0 to {classes - 1}.")


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
