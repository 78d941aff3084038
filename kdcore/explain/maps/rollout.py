"""Attention rollout: the product of all layers' attention, residual connections included.

Abnar & Zuidema, ACL 2020, https://arxiv.org/abs/2005.00928
"""

import torch
from torch import Tensor

from kdcore.explain.base import CLASS_TOKEN, MapCard, MapOptions
from kdcore.explain.reading.attention import attention_modules, attention_of
from kdcore.explain.reading.hooks import last_shape
from kdcore.explain.reading.last_block import only_tokens_are_read, shortened
from kdcore.models import Tapped

CARD = MapCard(
    title="Attention rollout",
    summary="Which patches reach the class token through all layers, if attention alone moved information.",
    about=(
        "The attention matrices of all layers multiplied, half of each layer being its residual connection. Shows "
        "which patches can reach the class token through all layers. Does not show heads apart, classes, or what the "
        "layers do besides attention; it becomes more even with every layer."
    ),
    family="Attention",
    order=2,
    networks=CLASS_TOKEN,
    forwards=1.1,
    counterpart="activation_energy",
    paper="Abnar & Zuidema, ACL 2020",
    url="https://arxiv.org/abs/2005.00928",
)


def rollout(attention: list[Tensor]) -> Tensor:
    """Row 0 of A'_L ... A'_1 with A' = rows of (A + I) divided by their sums.

    Args:
        attention: one [B, N, N] a layer from first to last, heads already averaged; of the last its first row is enough.
    Returns:
        [B, N]. Only the class token's row is carried, from the last layer down: a vector times a matrix a layer.
    """
    last = attention[-1][:, :1]  # [B, 1, N]
    row = last + torch.eye(last.shape[2], device=last.device)[None, :1]
    row = row / row.sum(dim=2, keepdim=True)
    for layer in reversed(attention[:-1]):
        row = row / (1 + layer.sum(dim=2))[:, None]  # by the sums of the rows of A + I
        row = row @ layer + row
    return row[:, 0]


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    if only_tokens_are_read(model.net):
        last: list[Tensor] = []
        but_one = range(len(attention_modules(model.net)) - 1)
        with shortened(model.net, keep=lambda heads: last.append(_mean(heads.float()))):
            logits, attention = attention_of(model, images, _mean, but_one)
        attention += last
    else:
        logits, attention = attention_of(model, images, _mean)
    patches = rollout(attention)[:, model.prefix_tokens :]
    return logits, patches.unflatten(1, last_shape(model, images)[1:])


def _mean(heads: Tensor) -> Tensor:
    return heads.mean(dim=1)
