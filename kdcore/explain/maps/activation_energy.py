"""Activation energy: the sum of the squared features at each place.

Zagoruyko & Komodakis, ICLR 2017, https://arxiv.org/abs/1612.03928
"""

import torch
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.models import Tapped
from kdcore.tensors.energy import energy

CARD = MapCard(
    title="Activation energy",
    summary="Where the network's features are strong, whatever class they stand for.",
    about=(
        "The sum of the squared features at each place, which attention transfer distils. Shows where the network is "
        "active at all. Does not show what the activity stands for. A CNN's is usually on the object; a ViT's "
        "hardly, because its tokens have about the same length after a norm, and some store global information. A "
        "CNN's own map."
    ),
    family="Features",
    order=1,
    takes_layer=True,
    own=True,
    paper="Zagoruyko & Komodakis, ICLR 2017",
    url="https://arxiv.org/abs/1612.03928",
)


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of a stage or block; the last unless given."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "features"}))
    return outputs.logits, energy(outputs.features[-1 if options.layer is None else options.layer])
