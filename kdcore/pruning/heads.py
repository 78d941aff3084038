"""Attention heads as channels: what is removed with a head of timm's attention, and what a head's weights amount to.

A head h writes the rows of `qkv` for its queries, keys and values, and `proj` reads the values that it has averaged, d inputs side by
side. Heads meet in `proj` alone, so a network without a head computes what the whole one does with these d inputs at 0.
"""

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers import Attention
from torch import Tensor, nn


def attentions(net: nn.Module) -> dict[str, Attention]:
    """The attention layers whose heads can be removed: timm's own with several heads that nothing but `proj` joins."""
    return {name: layer for name, layer in net.named_modules() if _has_heads_apart(layer)}


def readers_channels(attention: Attention) -> Tensor:
    """The head that each input of `proj` belongs to, int64 [h d]."""
    return torch.arange(attention.attn_dim) // attention.head_dim


def magnitudes(attention: Attention) -> Tensor:
    """The mean of a head's squared norms in `qkv` and in `proj`, [h]."""
    written = attention.qkv.weight.detach().unflatten(0, (3, attention.num_heads, attention.head_dim))
    read = attention.proj.weight.detach().unflatten(1, (attention.num_heads, attention.head_dim))
    return (written.square().sum(dim=(0, 2, 3)) + read.square().sum(dim=(0, 2))).cpu() / 2


def keep(attention: Attention, heads: Sequence[int]) -> None:
    """Remove all other heads, in place."""
    count, size = attention.num_heads, attention.head_dim
    read = torch.arange(count * size).view(count, size)[list(heads)].flatten()
    written = torch.cat([part * count * size + read for part in range(3)])  # of queries, keys, values
    qkv, proj = attention.qkv, attention.proj
    for name, parameter in list(qkv.named_parameters(recurse=False)):
        setattr(qkv, name, _chosen(parameter, 0, written))
    proj.weight = _chosen(proj.weight, 1, read)
    qkv.out_features, proj.in_features = len(written), len(read)
    attention.num_heads, attention.attn_dim = len(heads), len(read)


def macs(attention: Attention, tokens: int) -> int:
    """Products of one image between queries and keys, and between attention and values."""
    return 2 * tokens * tokens * attention.attn_dim


def _has_heads_apart(layer: nn.Module) -> bool:
    if type(layer) is not Attention or layer.num_heads < 2:  # a subclass may join heads in any way
        return False
    parts: tuple[Any, ...] = layer.qkv, layer.proj
    return layer.gate is None and isinstance(layer.norm, nn.Identity) and all(type(part) is nn.Linear for part in parts)


def _chosen(parameter: Tensor, dimension: int, places: Tensor) -> nn.Parameter:
    chosen = parameter.detach().index_select(dimension, places.to(parameter.device))
    return nn.Parameter(chosen, parameter.requires_grad)
