"""Parameters and FLOPs of a network, from shapes alone."""

import json
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcore.models import zoo
from kdcore.models.tapped import Tapped, in_eval
from kdcore.runtime.once import once


def parameters(model: nn.Module) -> int:
    """The number of parameters, without buffers."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops(model: Tapped, image_size: int | None = None) -> int:
    """Floating-point operations of one image's forward, a multiplication and an addition counted as two."""
    options = json.dumps(model.options, sort_keys=True)
    return _flops(model.name, len(model.classes), model.image_size, options, image_size or model.image_size)


@once(maxsize=256)
def _flops(name: str, classes: int, image_size: int, options: str, side: int) -> int:
    """Counting takes a third of a second, and runs share networks."""
    net = zoo.without_values(name, classes, image_size, json.loads(options)).requires_grad_(False)
    # the counter hooks the gradients of what modules get, and a network may hand a parameter itself to one, such as pit its tokens
    counter = FlopCounterMode(display=False)
    with in_eval(net), torch.no_grad(), counter:
        net(torch.empty(1, 3, side, side, device="meta"))
    return int(counter.get_total_flops())


def shapes_only(
    name: str, *, classes: int = 10, image_size: int | None = None, options: dict[str, Any] | None = None
) -> Tapped:
    """A network without values, see `on_meta`: its outputs have shapes alone.

    Raises:
        UserError: there is no such network, or it cannot be built so.
    """
    zoo.check(name)
    side = image_size or zoo.default_image_size(name)
    mean, std = zoo.statistics(name)
    labels = tuple(str(label) for label in range(classes))
    net = zoo.without_values(name, classes, side, options)
    return Tapped(net, name=name, classes=labels, image_size=side, mean=mean, std=std, options=options).to("meta")


def describe(
    name: str, *, classes: int = 10, image_size: int | None = None, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A network by its name: parameters, FLOPs per image, shapes of its maps. Takes no memory for weights.

    Raises:
        UserError: there is no such network, or it cannot be built so.
    """
    model = shapes_only(name, classes=classes, image_size=image_size, options=options)
    shapes = model.shapes()
    return {
        "model": name,
        "image_size": model.image_size,
        "parameters": parameters(model),
        "flops": flops(model),
        "prefix_tokens": model.prefix_tokens,
        "features": shapes.features,
        "attention": shapes.attention,
    }
