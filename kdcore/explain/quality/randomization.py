"""Randomization: maps of the same network with random weights, which should differ.

The randomisation check of Adebayo et al., NeurIPS 2018, https://arxiv.org/abs/1810.03292, figure 2 and section 3.
"""

import copy
from collections.abc import Iterator

import torch

from kdcore import models
from kdcore.models import Tapped
from kdcore.models.fitting import load_state
from kdcore.recipe import ModelRecipe


def untrained(model: Tapped, *, seed: int = 0) -> Tapped:
    """The same architecture before training, in eval mode on the same device; the random state is not changed."""
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        fresh = models.build(ModelRecipe(model=model.name, options=model.options), model.classes, model.image_size)
    return fresh.to(model.mean.device).eval().requires_grad_(False)


def cascading(model: Tapped, *, seed: int = 0) -> Iterator[tuple[str, Tapped]]:
    """A copy whose layers get random weights one after another, from the last to the first.

    Yields the layer's name and the copy, always the same one: use it before the next step. BatchNorm's statistics are
    reset with their layer.
    """
    copied = copy.deepcopy(model).eval()
    fresh = untrained(model, seed=seed).net.state_dict()
    for layer, names in reversed(layers(model).items()):
        load_state(copied.net, {**copied.net.state_dict(), **{name: fresh[name] for name in names}})
        yield layer, copied


def layers(model: Tapped) -> dict[str, list[str]]:
    """A network's layers from first to last, each with the names of its weights: `blocks.0`, `stages.2`, `head`."""
    found: dict[str, list[str]] = {}
    for name in model.net.state_dict():
        first, *rest = name.split(".")
        layer = f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first
        found.setdefault(layer, []).append(name)
    return found
