"""One layer's activations and the score's gradient there, for the class activation maps.

The graph starts at the layer, so that a map costs hardly more than a forward pass.
"""

import weakref
from typing import Any, cast

import torch
from torch import Tensor, nn

from kdcore.errors import NotDefined
from kdcore.explain.base import MapOptions
from kdcore.explain.reading.hooks import as_grid, hooked
from kdcore.explain.reading.last_block import only_tokens_are_read, shortened
from kdcore.models import Tapped


def activations_and_gradients(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [B, K], activations [B, C, H, W] of a layer (the last unless given), and the score's gradient."""
    module, (channels, *grid) = _layer(model, images, options.layer)
    taken: list[Tensor] = []

    def start_here(output: Tensor) -> Tensor:
        taken[:] = [output.detach().requires_grad_()]
        torch.set_grad_enabled(True)  # until no_grad below ends
        return taken[0].clone()  # a copy, because what follows may write into it

    if _is_last_norm(module, model.net) and only_tokens_are_read(model.net):
        started = shortened(model.net, start=start_here)
    else:
        started = hooked([(module, lambda _module, _inputs, output: start_here(output))])
    with torch.no_grad(), started:
        logits = model(images).logits
    with torch.enable_grad():
        score = options.score(logits)
    (gradients,) = torch.autograd.grad(score, taken[0])
    found, gradients = (as_grid(each.detach().float(), (grid[0], grid[1]), channels) for each in (taken[0], gradients))
    return logits, found, gradients


def activations(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and activations [B, C, H, W] of the same layer, for maps that need no gradient."""
    module, (channels, *grid) = _layer(model, images, options.layer)
    taken: list[Tensor] = []
    with torch.no_grad(), hooked([(module, lambda _module, _inputs, output: taken.append(output.clone()))]):
        logits = model(images).logits
    return logits, as_grid(taken[0], (grid[0], grid[1]), channels)


_found: "weakref.WeakKeyDictionary[Tapped, dict[tuple[int, int, int], str]]" = weakref.WeakKeyDictionary()


def _layer(model: Tapped, images: Tensor, layer: int | None) -> tuple[nn.Module, tuple[int, int, int]]:
    """The module whose output is explained, and that output's shape as (C, H, W).

    For a transformer the norm before a block's attention: where a class token is read out, the patch tokens that leave
    the last block have no gradient at all. Else the last module that gives this feature map.
    """
    shapes = _shapes(model, images)
    shape = shapes[-1 if layer is None else layer]
    if norms := _norms(model.net):
        return norms[-1 if layer is None else layer], shape
    named = _found.setdefault(model, {})
    if shape not in named:
        named[shape] = _last_module_with(model, images, shape)
    return model.get_submodule(named[shape]), shape


def _shapes(model: Tapped, images: Tensor) -> tuple[tuple[int, int, int], ...]:
    """(C, H, W) of the feature maps for images of this size."""
    if tuple(images.shape[2:]) == (model.image_size, model.image_size):
        return model.shapes().features
    with torch.no_grad():
        outputs = model(images[:1], frozenset({"features"}))
    return tuple((m.shape[1], m.shape[2], m.shape[3]) for m in outputs.features)


def _last_module_with(model: Tapped, images: Tensor, shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    tokens = (height * width + model.prefix_tokens, channels)
    alike = {(channels, height, width), (height, width, channels), tokens}
    seen: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and tuple(output.shape[1:]) in alike:
            seen.append(names[module])

    with torch.no_grad(), hooked([(m, note) for m in model.net.modules() if m is not model.net]):
        model(images[:1])
    if not seen:
        raise NotDefined(
            "The map is not defined for this model, because no module of it gives the feature map of this layer."
        )
    return seen[-1]


def _is_last_norm(module: nn.Module, net: nn.Module) -> bool:
    norms = _norms(net)
    return bool(norms) and module is norms[-1]


def _norms(net: nn.Module) -> list[nn.Module]:
    """The norms before the attention of timm's and torchvision's vision transformers; none for everything else."""
    for blocks, norm in (("blocks", "norm1"), ("encoder.layers", "ln_1")):
        try:
            found = [block.get_submodule(norm) for block in cast(Any, net.get_submodule(blocks))]
        except (AttributeError, TypeError):
            continue
        if found:
            return found
    return []
