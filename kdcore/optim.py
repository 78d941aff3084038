"""Parameters and a recipe to an optimizer."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from kdcore.recipe import OptimizerRecipe


def build(module: nn.Module, recipe: OptimizerRecipe, *, lr: float | None = None) -> Optimizer:
    """An optimizer over all that learns in `module`: no weight decay on biases, norms and single tokens (1-d, `pos_embed`,
    `cls_token`). `lr` replaces the recipe's."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            single = parameter.ndim <= 1 or name.endswith(("pos_embed", "cls_token", "reg_token", "dist_token"))
            (plain if single else decayed).append(parameter)
    groups: Iterable[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    rate = lr or recipe.lr
    match recipe.name:
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
