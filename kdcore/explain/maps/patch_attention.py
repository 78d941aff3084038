"""Patch attention: what one patch attends to, in one layer of a vision transformer."""

from torch import Tensor

from kdcore.explain.maps.attention import attention_modules, attention_of
from kdcore.explain.maps.base import Ask, MethodCard, last_shape
from kdcore.models import Tapped

CARD = MethodCard(
    title="Patch attention",
    shows="Where the chosen patch takes its information from in one layer; not tied to a class.",
    architectures="vit",
    takes_layer=True,
    takes_head=True,
    takes_query=True,
)


def affinity(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K], and what every patch attends to: [B, N, N] over the patches, of a layer and a head (or their mean)."""
    count, prefix = len(attention_modules(model.net)), model.prefix_tokens
    layer = count - 1 if ask.layer is None else ask.layer

    def patches(heads: Tensor) -> Tensor:
        chosen = heads.mean(dim=1) if ask.head is None else heads[:, ask.head]
        return chosen[:, prefix:, prefix:]

    logits, (found,) = attention_of(model, images, patches, range(layer, layer + 1))
    return logits, found


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of the patch `ask.query`."""
    grid = last_shape(model, images)[1:]
    logits, found = affinity(model, images, ask)
    return logits, found[:, ask.cell(grid)].unflatten(1, grid)
