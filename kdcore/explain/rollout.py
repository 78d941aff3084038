"""Attention rollout: the attention of all layers multiplied through, the residual connections included.

Abnar & Zuidema, ACL 2020, https://arxiv.org/abs/2005.00928
"""

import torch
from torch import Tensor

from kdcore.explain.attention import attention_of
from kdcore.explain.base import Ask, MethodCard, last_shape
from kdcore.models import Tapped

CARD = MethodCard(
    title="Attention rollout",
    shows="Which patches reach the deciding token through all layers together, if attention were all that moves information.",
    architectures="vit",
)


def rollout(attention: list[Tensor]) -> Tensor:
    """Row 0 of A'_L ... A'_1 with A' = rows of (A + I) divided by their sums.

    Args:
        attention: one [B, N, N] a layer from first to last, heads already averaged.
    Returns:
        [B, N]. Only the class token's row is carried, from the last layer down: a vector times a matrix a layer.
    """
    identity = torch.eye(attention[0].shape[1], device=attention[0].device)
    row = identity[None, :1]  # [1, 1, N]
    for layer in reversed(attention):
        mixed = layer + identity
        row = row @ (mixed / mixed.sum(dim=-1, keepdim=True))
    return row[:, 0]


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, attention = attention_of(model, images, lambda heads: heads.mean(dim=1))
    patches = rollout(attention)[:, model.prefix_tokens :]
    return logits, patches.unflatten(1, last_shape(model, images)[1:])
