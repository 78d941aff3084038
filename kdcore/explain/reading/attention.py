"""A vision transformer's attention, all tokens to all tokens, and the score's gradient there.

Blocks whose attention is read compute it without the fused kernel for one forward, so it costs nothing extra: recomputed
beside the fused kernel it would cost a tenth of a forward. PyTorch's own MultiheadAttention has no such switch; there it is
recomputed, and its gradient is the output's gradient times the values, transposed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from kdcore.explain.base import MapOptions
from kdcore.explain.reading.hooks import Hook, hooked
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
    before: list[Hook] = []
    explicit, known = [], []
    wanted = modules if layers is None else [modules[i] for i in layers]
    for attention in wanted:
        if type(attention) is Attention:
            known.append(attention)
        elif isinstance(attention, nn.MultiheadAttention):
            before.append((attention, partial(_from_tokens, found, reduce)))
        else:
            explicit.append(attention)
            before.append((attention.attn_drop, partial(_from_scores, found, reduce)))
    with torch.no_grad(), hooked(before, before=True), unfused(explicit), _explicit_attention(known, found, reduce):
        logits = model(images).logits
    assert len(found) == len(wanted), "every block gives its attention once"
    return logits, found


def attention_and_gradients(
    model: Tapped, images: Tensor, options: MapOptions
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Logits [B, K], and of each block its attention [B, h, N, N] with the score's gradient there."""
    watched = [_Watched(attention) for attention in attention_modules(model.net)]
    after: list[Hook] = []
    before: list[Hook] = []
    explicit = []
    for each in watched:
        if isinstance(each.module, nn.MultiheadAttention):
            before.append((each.module, each.keep_tokens))
            after.append((each.module, each.keep_output))
        else:
            explicit.append(each.module)
            before.append((each.module.attn_drop, each.keep_scores))
    with torch.enable_grad(), hooked(after), hooked(before, before=True), unfused(explicit):
        logits = model(images).logits
        gradients = torch.autograd.grad(options.score(logits), [cast(Tensor, each.reached) for each in watched])
    return logits.detach(), [each.attention_and_gradient(g) for each, g in zip(watched, gradients, strict=True)]


def attention_modules(net: nn.Module) -> list[Any]:
    """timm's `blocks[i].attn`, torchvision's `encoder.layers[i].self_attention`: what a Tapped with attention has."""
    if hasattr(net, "blocks"):
        return [block.attn for block in cast(Any, net.blocks)]
    return [block.self_attention for block in cast(Any, net).encoder.layers]


@dataclass
class _Watched:
    """One block's attention while the score is followed back to it.

    reached: what the gradient is taken of: the attention itself [B, h, N, N], or a MultiheadAttention's output [B, N, D].
    """

    module: Any
    query_key: tuple[Tensor, Tensor] | None = None
    value: Tensor | None = None  # [B, h, N, d]
    reached: Tensor | None = None

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
        heads = (gradient @ self.module.out_proj.weight).unflatten(2, (self.value.shape[1], -1)).transpose(1, 2)
        return _weights(*self.query_key), heads.float() @ self.value.float().transpose(-2, -1)


def _followed(tensor: Tensor) -> Tensor:
    """The same values, from which the gradient can be taken also where nothing before needs one."""
    return tensor if tensor.requires_grad else tensor.detach().requires_grad_()


@contextmanager
def _explicit_attention(modules: list[Attention], found: list[Tensor], reduce: Reduce) -> Iterator[None]:
    """timm's attention modules hand out their softmax's output for a while. The network must be in eval mode."""
    for module in modules:
        cast(Any, module).forward = partial(_explicit_forward, module, found, reduce)
    try:
        yield
    finally:
        for module in modules:
            del cast(Any, module).forward


def _explicit_forward(module: Any, found: list[Tensor], reduce: Reduce, tokens: Tensor, **masks: object) -> Tensor:
    """timm's `Attention.forward` in eval mode; on a CPU an image at a time, whose N x N scores stay in the cache."""
    assert not any(masks.values()), "an image's patches all see each other"
    parts = module.qkv(tokens).unflatten(2, (3, module.num_heads, module.head_dim)).permute(2, 0, 3, 1, 4)
    query, key, value = module.q_norm(parts[0]) * module.scale, module.k_norm(parts[1]), parts[2]  # [B, h, N, d]
    together = 1 if tokens.device.type == "cpu" else len(tokens)
    read, kept = [], []
    for q, k, v in zip(query.split(together), key.split(together), value.split(together), strict=True):
        attention = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        kept.append(reduce(attention.float()))
        read.append(attention @ v)
    found.append(torch.cat(kept))
    mixed = module.norm(torch.cat(read).transpose(1, 2).flatten(2))
    if module.gate is not None:
        mixed = mixed * module.gate(tokens).sigmoid()
    given: Tensor = module.proj(mixed)
    return given


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
