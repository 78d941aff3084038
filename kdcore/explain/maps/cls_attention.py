"""Class-token attention: from which patches the class token takes its information, in one layer."""

import numpy as np
import torch
from torch import Tensor

from kdcore.explain.base import CLASS_TOKEN, MapCard, MapOptions
from kdcore.models import Tapped

CARD = MapCard(
    title="Class-token attention",
    summary="From which patches the class token takes its information in one layer; not tied to a class.",
    about=(
        "From which patches the class token takes its information in one layer, for one head or the mean of the "
        "heads. Shows the attention weights of that layer. Does not show what is done with them: the values may be "
        "small where the weights are large. It depends on no class, and is often bright in an empty corner, where a "
        "ViT stores global information. A ViT's own map."
    ),
    family="Attention",
    order=1,
    networks=CLASS_TOKEN,
    takes_layer=True,
    takes_head=True,
    own=True,
    counterpart="activation_energy",
)


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of a layer (the last unless given) and a head (the mean of all unless given)."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "attention"}))
    attention = outputs.attention[-1 if options.layer is None else options.layer].float()  # [B, h, H, W]
    return outputs.logits, attention.mean(dim=1) if options.head is None else attention[:, options.head]


def every_layer(model: Tapped, images: Tensor) -> list[np.ndarray]:
    """All heads of all layers from one forward: a float32 [B, h, H, W] a layer."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "attention"}))
    return [layer.float().cpu().numpy() for layer in outputs.attention]
