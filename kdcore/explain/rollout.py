"""Attention rollout: the attention of all layers multiplied through, the residual connections included.

Abnar & Zuidema, ACL 2020, https://arxiv.org/abs/2005.00928
"""

from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from kdcore.explain.base import Hook, MethodCard, hooked, last_shape
from kdcore.models import Tapped
from kdcore.models.taps import unfused

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


def maps(
    model: Tapped, images: Tensor, *, target: Tensor | None = None, layer: int | None = None, head: int | None = None
) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, attention = mean_attention(model, images)
    patches = rollout(attention)[:, model.prefix_tokens :]
    return logits, patches.unflatten(1, last_shape(model, images)[1:])


def mean_attention(model: Tapped, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits [B, K], and each block's full attention [B, N, N], the mean over heads.

    Recomputed from queries and keys, so that the model keeps its fused kernel; only where the scores are turned or
    biased in between (rotary and relative positions) they are computed in the open for this once.
    """
    found: list[Tensor] = []
    after: list[Hook] = []
    before: list[Hook] = []
    in_the_open = []
    for attention in _attention_modules(model.net):
        if type(attention) is Attention:
            after.append((attention.qkv, partial(_from_qkv, attention, found)))
        elif isinstance(attention, nn.MultiheadAttention):
            before.append((attention, partial(_from_tokens, found)))
        else:
            in_the_open.append(attention)
            before.append((attention.attn_drop, partial(_from_scores, found)))
    with torch.no_grad(), hooked(after), hooked(before, before=True), unfused(in_the_open):
        logits = model(images).logits
    assert len(found) == len(model.shapes().attention), "every block gives its attention once"
    return logits, found


def _attention_modules(net: nn.Module) -> list[Any]:
    """timm's `blocks[i].attn`, torchvision's `encoder.layers[i].self_attention`: what a Tapped with attention has."""
    if hasattr(net, "blocks"):
        return [block.attn for block in cast(Any, net.blocks)]
    return [block.self_attention for block in cast(Any, net).encoder.layers]


def _from_qkv(attention: Attention, found: list[Tensor], _module: nn.Module, _inputs: object, qkv: Tensor) -> None:
    query, key, _ = qkv.unflatten(2, (3, attention.num_heads, attention.head_dim)).permute(2, 0, 3, 1, 4).unbind(0)
    found.append(_mean_weights(attention.q_norm(query), attention.k_norm(key), attention.scale))


def _from_tokens(found: list[Tensor], module: nn.MultiheadAttention, inputs: tuple[Tensor, ...]) -> None:
    query, key, _ = F.linear(inputs[0], module.in_proj_weight, module.in_proj_bias).chunk(3, dim=2)
    query, key = (t.unflatten(2, (module.num_heads, module.head_dim)).transpose(1, 2) for t in (query, key))
    found.append(_mean_weights(query, key, module.head_dim**-0.5))


def _from_scores(found: list[Tensor], _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    found.append(inputs[0].float().mean(dim=1))


def _mean_weights(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Queries and keys [B, h, N, d] -> attention [B, N, N], the mean over heads."""
    return ((query * scale) @ key.transpose(-2, -1)).float().softmax(dim=-1).mean(dim=1)
