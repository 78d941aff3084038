"""A vision transformer's whole attention, all tokens to all tokens, and the score's gradient with respect to it.

Recomputed from queries and keys, so that the model keeps its fused kernel; only where the scores are turned or biased in
between (rotary and relative positions) are they computed in the open for this once. The gradient needs no open scores
either: a head's output is attention times values, so its gradient is the output's gradient times the values, transposed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from kdcore.explain.base import Ask, Hook, hooked
from kdcore.models import Tapped
from kdcore.models.taps import unfused

Reduce = Callable[[Tensor], Tensor]


def attention_of(
    model: Tapped, images: Tensor, reduce: Reduce, layers: range | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Logits [B, K], and of each block `reduce(attention [B, h, N, N])`, from first to last.

    Args:
        reduce: applied at once, so that only what is needed stays in memory.
        layers: only these blocks.
    """
    found: list[Tensor] = []
    modules = attention_modules(model.net)
    after: list[Hook] = []
    before: list[Hook] = []
    in_the_open = []
    for attention in [modules[i] for i in layers] if layers else modules:
        if type(attention) is Attention:
            after.append((attention.qkv, partial(_from_qkv, attention, found, reduce)))
        elif isinstance(attention, nn.MultiheadAttention):
            before.append((attention, partial(_from_tokens, found, reduce)))
        else:
            in_the_open.append(attention)
            before.append((attention.attn_drop, partial(_from_scores, found, reduce)))
    with torch.no_grad(), hooked(after), hooked(before, before=True), unfused(in_the_open):
        logits = model(images).logits
    assert len(found) == len(layers or modules), "every block gives its attention once"
    return logits, found


def attention_and_gradients(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Logits [B, K], and of each block its attention [B, h, N, N] with the score's gradient there."""
    watched = [_Watched(attention) for attention in attention_modules(model.net)]
    after: list[Hook] = []
    before: list[Hook] = []
    in_the_open = []
    for each in watched:
        if type(each.module) is Attention:
            after.append((each.module.qkv, each.keep_qkv))
            before.append((each.module.proj, each.keep_context))
        elif isinstance(each.module, nn.MultiheadAttention):
            before.append((each.module, each.keep_tokens))
            after.append((each.module, each.keep_output))
        else:
            in_the_open.append(each.module)
            before.append((each.module.attn_drop, each.keep_scores))
    with torch.enable_grad(), hooked(after), hooked(before, before=True), unfused(in_the_open):
        logits = model(images).logits
        gradients = torch.autograd.grad(ask.score(logits), [cast(Tensor, each.reached) for each in watched])
    return logits.detach(), [each.attention_and_gradient(g) for each, g in zip(watched, gradients, strict=True)]


def attention_modules(net: nn.Module) -> list[Any]:
    """timm's `blocks[i].attn`, torchvision's `encoder.layers[i].self_attention`: what a Tapped with attention has."""
    if hasattr(net, "blocks"):
        return [block.attn for block in cast(Any, net.blocks)]
    return [block.self_attention for block in cast(Any, net).encoder.layers]


@dataclass
class _Watched:
    """One block's attention while the score is followed back to it.

    reached: what the gradient is taken of: the heads' outputs before they are mixed [B, N, h d], a MultiheadAttention's
        output [B, N, D], or the attention itself [B, h, N, N].
    """

    module: Any
    query_key: tuple[Tensor, Tensor] | None = None
    value: Tensor | None = None  # [B, h, N, d]
    reached: Tensor | None = None

    def keep_qkv(self, _module: nn.Module, _inputs: object, qkv: Tensor) -> None:
        parts = qkv.detach().unflatten(2, (3, self.module.num_heads, self.module.head_dim))
        query, key, self.value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        self.query_key = self.module.q_norm(query) * self.module.scale, self.module.k_norm(key)

    def keep_context(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.reached = _followed(inputs[0])
        return (self.reached, *inputs[1:])

    def keep_tokens(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        query, key, self.value = multihead_parts(self.module, inputs[0].detach())
        self.query_key = query * self.module.head_dim**-0.5, key

    def keep_output(self, _module: nn.Module, _inputs: object, output: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
        self.reached = _followed(output[0])
        return (self.reached, output[1])

    def keep_scores(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.reached = _followed(inputs[0])
        return (self.reached, *inputs[1:])

    def attention_and_gradient(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        if self.query_key is None or self.value is None:
            return cast(Tensor, self.reached).detach().float(), gradient.float()
        if isinstance(self.module, nn.MultiheadAttention):
            gradient = gradient @ self.module.out_proj.weight
        heads = gradient.unflatten(2, (self.value.shape[1], -1)).transpose(1, 2)  # [B, h, N, d]
        return _weights(*self.query_key), heads.float() @ self.value.float().transpose(-2, -1)


def _followed(tensor: Tensor) -> Tensor:
    """The same values, from which the gradient can be taken also where nothing before needs one."""
    return tensor if tensor.requires_grad else tensor.detach().requires_grad_()


def _from_qkv(
    attention: Attention, found: list[Tensor], reduce: Reduce, _module: nn.Module, _inputs: object, qkv: Tensor
) -> None:
    query, key, _ = qkv.unflatten(2, (3, attention.num_heads, attention.head_dim)).permute(2, 0, 3, 1, 4).unbind(0)
    found.append(reduce(_weights(attention.q_norm(query) * attention.scale, attention.k_norm(key))))


def _from_tokens(
    found: list[Tensor], reduce: Reduce, module: nn.MultiheadAttention, inputs: tuple[Tensor, ...]
) -> None:
    query, key, _ = multihead_parts(module, inputs[0])
    found.append(reduce(_weights(query * module.head_dim**-0.5, key)))


def _from_scores(found: list[Tensor], reduce: Reduce, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    found.append(reduce(inputs[0].float()))


def multihead_parts(module: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [B, h, N, d] of a batch-first nn.MultiheadAttention over tokens [B, N, D]."""
    parts = F.linear(tokens, module.in_proj_weight, module.in_proj_bias).chunk(3, dim=2)
    query, key, value = (t.unflatten(2, (module.num_heads, module.head_dim)).transpose(1, 2) for t in parts)
    return query, key, value


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """Queries, scaled already, and keys [B, h, N, d] -> attention [B, h, N, N]."""
    return (query @ key.transpose(-2, -1)).float().softmax(dim=-1)
