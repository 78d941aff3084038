"""Optimizers from a recipe, and their state in checkpoints."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from kdcore.recipe import OptimizerRecipe


def build(module: nn.Module, recipe: OptimizerRecipe, *, lr: float | None = None) -> Optimizer:
    """An optimizer of a module's trainable parameters.

    Biases, norms and single tokens (1-d, `pos_embed`, `cls_token`) have no weight decay. `lr` replaces the recipe's.
    """
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


def state(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer's state with text keys, as a checkpoint needs it."""
    own = optimizer.state_dict()
    return {"state": {str(key): value for key, value in own["state"].items()}, "param_groups": own["param_groups"]}


def load_state(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Load a state that `state` returned.

    Each tensor gets the memory layout of its parameter: a fused step reads both in memory order, so moments in another order
    would be added to the wrong weights.
    """
    optimizer.load_state_dict(
        {"state": {int(key): value for key, value in saved["state"].items()}, "param_groups": saved["param_groups"]}
    )
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)
