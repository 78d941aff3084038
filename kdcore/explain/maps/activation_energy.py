"""Activation energy: where the network is active at all, whatever for.

Zagoruyko & Komodakis, ICLR 2017, https://arxiv.org/abs/1612.03928
"""

import torch
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.models import Tapped
from kdcore.tensors.energy import energy

CARD = MethodCard(
    title="Activation energy",
    shows="Where the network's features are strong, whatever they speak for.",
    architectures="any",
    takes_layer=True,
)


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of a stage or block; the last unless said."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "features"}))
    return outputs.logits, energy(outputs.features[-1 if ask.layer is None else ask.layer])
