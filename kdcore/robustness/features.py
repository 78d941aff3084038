"""The outputs of a network's layers for a batch, as matrices [m, D] with names: what similarity of layers is measured on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kdcore.models import Tapped, in_eval

LARGEST_BYTES = 64 << 20  # of a layer's outputs for a batch; larger ones are averaged over space


@dataclass(frozen=True)
class Layers:
    """The layers of a network, from input to output.

    names: of all of them. pooled: of those that are averaged over space for batches of this size.
    """

    names: tuple[str, ...]
    pooled: tuple[str, ...]


def layers(model: Tapped, batch: int) -> Layers:
    """The blocks of a ViT or the stages of a CNN, the pooled vector and the logits."""
    shapes = model.shapes()
    kind = "block" if shapes.tokens else "stage"
    names = [f"{kind} {place + 1} ({'x'.join(map(str, shape))})" for place, shape in enumerate(shapes.features)]
    pooled = [name for name, shape in zip(names, shapes.features, strict=True) if _is_large(shape, batch)]
    return Layers((*names, f"pooled ({shapes.pooled})", f"logits ({shapes.classes})"), tuple(pooled))


def of_batch(model: Tapped, images: Tensor, batch: int) -> list[Tensor]:
    """The outputs of each of `layers` for images [m, 3, H, W] of any size, float32 [m, D] on the device."""
    with in_eval(model), torch.no_grad():
        outputs = model(model.at_own_size(images), frozenset({"logits", "pooled", "features"}))
    maps = [
        each.float().mean(dim=(2, 3)) if _is_large(tuple(each.shape[1:]), batch) else each.float().flatten(1)
        for each in outputs.features
    ]
    return [*maps, outputs.pooled.float().flatten(1), outputs.logits.float()]


def _is_large(shape: tuple[int, ...], batch: int) -> bool:
    return 4 * batch * torch.Size(shape).numel() > LARGEST_BYTES
