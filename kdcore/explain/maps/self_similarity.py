"""Spatial self-similarity: which places of a layer's map resemble the chosen one. The answer of a CNN to patch attention.

Shechtman & Irani, CVPR 2007, https://doi.org/10.1109/CVPR.2007.383198, on deep features as in Amir et al., 2021,
https://arxiv.org/abs/2112.05814.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.maps.base import Ask, MethodCard
from kdcore.models import Tapped

CARD = MethodCard(
    title="Self-similarity",
    shows="Which places one layer describes as it describes the chosen one; not tied to a class.",
    architectures="any",
    takes_layer=True,
    takes_query=True,
)


def self_similarity(features: Tensor) -> Tensor:
    """Cosine of the features at every two places, what is unlike left out: [B, C, H, W] -> [B, HW, HW]."""
    places = F.normalize(features.flatten(2), dim=1)  # [B, C, N]
    return F.relu(places.transpose(1, 2) @ places)


def affinity(
    model: Tapped, images: Tensor, ask: Ask, most: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Logits [B, K], how alike every two places of a layer are [B, N, N], and their grid (H, W): `most` where that is given."""
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "features"}))
        features = outputs.features[-1 if ask.layer is None else ask.layer].float()
        features = F.adaptive_avg_pool2d(features, most) if most else features
        # what all places share says nothing about one of them
        alike = self_similarity(features - features.mean(dim=(2, 3), keepdim=True))
    return outputs.logits, alike, (features.shape[2], features.shape[3])


def maps(model: Tapped, images: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of the place `ask.query`."""
    logits, alike, grid = affinity(model, images, ask)
    return logits, alike[:, ask.cell(grid)].unflatten(1, grid)
