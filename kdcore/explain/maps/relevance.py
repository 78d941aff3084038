"""Generic attention relevance: how much of the class's score flows from each patch, layer by layer.

Chefer, Gur & Wolf, ICCV 2021, https://arxiv.org/abs/2103.15679, equations 5 and 6 for self-attention.
"""

import torch
from torch import Tensor

from kdcore.explain.base import CLASS_TOKEN, MapCard, MapOptions
from kdcore.explain.reading.attention import attention_and_gradients
from kdcore.explain.reading.hooks import last_shape
from kdcore.models import Tapped

CARD = MapCard(
    title="Attention relevance",
    summary="Which patches the chosen class's score flows from, through the attention of all layers.",
    about=(
        "The product of gradient rollout, added up from layer to layer without normalising: how much of the score "
        "flows from each patch. Shows nearly what gradient rollout does, with the layers' own magnitudes. Does not "
        "show what lowers the score. Empty where gradient rollout is."
    ),
    family="Attention",
    order=4,
    networks=CLASS_TOKEN,
    needs_gradient=True,
    explains_class=True,
    forwards=2.1,
    counterpart="hires_cam",
    paper="Chefer et al., ICCV 2021",
    url="https://arxiv.org/abs/2103.15679",
)


def relevance(layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Row 0 of R with R <- R + A R, A = mean over heads of the positive part of gradient times attention.

    Args:
        layers: attention and its gradient, [B, h, N, N] each, from first to last.
    Returns:
        [B, N]. R_L = (I + A_L) ... (I + A_1), so only row 0 is carried, from the last layer down.
    """
    first = layers[0][0]
    row = torch.eye(first.shape[2], device=first.device)[None, :1]  # [1, 1, N]
    for attention, gradient in reversed(layers):
        row = row + row @ (gradient * attention).clamp(min=0).mean(dim=1)
    return row[:, 0]


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W]."""
    logits, layers = attention_and_gradients(model, images, options)
    return logits, relevance(layers)[:, model.prefix_tokens :].unflatten(1, last_shape(model, images)[1:])
