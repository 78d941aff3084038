"""Class-token attention: from where the token that decides takes its information, in one layer."""

import torch
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.models import Tapped

CARD = MethodCard(
    title="Class-token attention",
    shows="From which patches the token that decides takes its information in one layer; not tied to a class.",
    architectures="vit",
    takes_layer=True,
    takes_head=True,
)


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of a layer (the last unless said) and a head (their mean unless said)."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "attention"}))
    attention = outputs.attention[-1 if ask.layer is None else ask.layer].float()  # [B, h, H, W]
    return outputs.logits, attention.mean(dim=1) if ask.head is None else attention[:, ask.head]
