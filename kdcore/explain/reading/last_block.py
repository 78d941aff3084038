"""The last block of a vision transformer, computed for its prefix tokens alone: class, distillation, registers.

What the block makes of the patches nobody reads, so they need no query and no MLP: this is a third of the block's work
forwards, and less than that backwards.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from timm.layers import Attention, GluMlp, Mlp, SwiGLU
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import linear

TOKEN_BY_TOKEN = (Mlp, GluMlp, SwiGLU)


def only_tokens_are_read(net: nn.Module) -> bool:
    """Whether a network's output depends on its last block's prefix tokens alone, and the block is of a supported kind."""
    distilled = type(net) is VisionTransformerDistilled
    if not distilled and (
        type(net) is not VisionTransformer or net.attn_pool is not None or net.global_pool != "token"
    ):
        return False
    block = cast(Any, net.blocks)[-1]
    if type(block) is not Block or type(block.attn) is not Attention or type(block.mlp) not in TOKEN_BY_TOKEN:
        return False
    return block.attn.gate is None


@contextmanager
def shortened(
    net: nn.Module, *, start: Callable[[Tensor], Tensor] | None = None, keep: Callable[[Tensor], None] | None = None
) -> Iterator[None]:
    """The last block gives only the prefix tokens, [B, P, D], for a while. The network must be in eval mode.

    Args:
        start: given what the block's first norm gave [B, N, D]; what it returns is gone on with.
        keep: given the prefix tokens' attention [B, h, P, N].
    """
    block = cast(Any, net).blocks[-1]
    block.forward = partial(_prefix, block, cast(int, net.num_prefix_tokens), start, keep)
    try:
        yield
    finally:
        del block.forward


def _prefix(
    block: Any,
    count: int,
    start: Callable[[Tensor], Tensor] | None,
    keep: Callable[[Tensor], None] | None,
    tokens: Tensor,
) -> Tensor:
    """timm's `Block.forward` and `Attention.forward` in eval mode, with the first `count` tokens' queries alone."""
    attention, width = block.attn, block.attn.attn_dim
    weight, bias = attention.qkv.weight, attention.qkv.bias
    normed = block.norm1(tokens)
    normed = start(normed) if start else normed
    query = linear(normed[:, :count], weight[:width], None if bias is None else bias[:width])
    key_value = linear(normed, weight[width:], None if bias is None else bias[width:])
    query = query.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)  # [B, h, P, d]
    key, value = key_value.unflatten(2, (2, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)  # [B, h, N, d] each
    scores = (attention.q_norm(query) * attention.scale) @ attention.k_norm(key).transpose(-2, -1)
    shares = scores.softmax(dim=-1)  # [B, h, P, N]
    if keep:
        keep(shares)
    read = (shares @ value).transpose(1, 2).flatten(2)
    tokens = tokens[:, :count] + block.ls1(attention.proj(attention.norm(read)))
    found: Tensor = tokens + block.ls2(block.mlp(block.norm2(tokens)))
    return found
