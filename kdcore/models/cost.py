"""What a network costs: parameters and arithmetic, told without computing anything."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcore.models import zoo
from kdcore.models.tapped import Tapped, in_eval


def parameters(model: nn.Module) -> int:
    """How many numbers a model learns or has learned; buffers are not counted."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops(model: Tapped, image_size: int | None = None) -> int:
    """Floating-point operations of one image's forward, a multiplication and an addition counted apart."""
    net = _hollow(model.name, len(model.classes), model.image_size, model.options)
    image = torch.empty(1, 3, image_size or model.image_size, image_size or model.image_size, device="meta")
    counter = FlopCounterMode(display=False)
    with in_eval(net), torch.no_grad(), counter:
        net(image)
    return int(counter.get_total_flops())


def describe(
    name: str, *, classes: int = 10, image_size: int | None = None, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A network by its name: parameters, FLOPs an image, shapes of its maps. Holds no weights in memory.

    Raises:
        ValueError: there is no such network, or it cannot be built so.
    """
    zoo.check(name)
    side = image_size or zoo.default_image_size(name)
    mean, std = zoo.statistics(name)
    net = _hollow(name, classes, side, options)
    labels = tuple(str(label) for label in range(classes))
    model = Tapped(net, name=name, classes=labels, image_size=side, mean=mean, std=std, options=options).to("meta")
    shapes = model.shapes()
    return {
        "model": name,
        "image_size": side,
        "parameters": parameters(model),
        "flops": flops(model),
        "prefix_tokens": model.prefix_tokens,
        "features": shapes.features,
        "attention": shapes.attention,
    }


def _hollow(name: str, classes: int, image_size: int, options: dict[str, Any] | None) -> nn.Module:
    """A network of shapes alone, without memory behind its tensors."""
    try:
        with torch.device("meta"):
            net = zoo.create(name, classes, image_size, options)
    except NotImplementedError:  # RegNet computes its widths with tensors
        net = zoo.create(name, classes, image_size, options).to("meta")
    return net.requires_grad_(False)
