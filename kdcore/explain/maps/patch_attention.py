"""Patch attention: what one patch attends to in one layer of a vision transformer."""

import numpy as np
from torch import Tensor

from kdcore.explain.base import CLASS_TOKEN, MapCard, MapOptions
from kdcore.explain.grids import pool_affinity
from kdcore.explain.reading.attention import attention_modules, attention_of
from kdcore.explain.reading.hooks import last_shape
from kdcore.models import Tapped

CARD = MapCard(
    title="Patch attention",
    summary="From which patches the chosen patch takes its information in one layer; not tied to a class.",
    about=(
        "What one patch attends to in a layer; the middle patch unless another is chosen. Shows how a ViT groups its "
        "image, or copies from neighbours. Does not explain a prediction, so it is not measured below."
    ),
    family="Attention",
    order=5,
    networks=CLASS_TOKEN,
    takes_layer=True,
    takes_head=True,
    takes_query=True,
    counterpart="self_similarity",
)


def attention(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K], and what every patch attends to: [B, N, N] over the patches, of a layer and a head (or their mean)."""
    count, prefix = len(attention_modules(model.net)), model.prefix_tokens
    layer = count - 1 if options.layer is None else options.layer

    def patches(heads: Tensor) -> Tensor:
        chosen = heads.mean(dim=1) if options.head is None else heads[:, options.head]
        return chosen[:, prefix:, prefix:]

    logits, (found,) = attention_of(model, images, patches, range(layer, layer + 1))
    return logits, found


def affinity(model: Tapped, images: Tensor, options: MapOptions, grid: tuple[int, int]) -> np.ndarray:
    """What every patch attends to, [B, N, N], pooled to a grid of N cells."""
    _, rows, columns = model.shapes().attention[-1 if options.layer is None else options.layer]
    found = attention(model, images, options)[1].float().cpu().numpy()
    return np.stack([pool_affinity(each, (rows, columns), grid) for each in found])


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of the patch `options.query`."""
    grid = last_shape(model, images)[1:]
    logits, found = attention(model, images, options)
    return logits, found[:, options.cell(grid)].unflatten(1, grid)
