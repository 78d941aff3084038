"""Spatial self-similarity: which places of a layer resemble the chosen one.

Shechtman & Irani, CVPR 2007, https://doi.org/10.1109/CVPR.2007.383198, on deep features as in Amir et al., 2021,
https://arxiv.org/abs/2112.05814.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.explain.base import MapCard, MapOptions
from kdcore.models import Tapped

CARD = MapCard(
    title="Self-similarity",
    summary="Which places one layer represents as it represents the chosen one; not tied to a class.",
    about=(
        "The cosine between the features of one place and those of every other, without the mean over places; "
        "negative values count as 0. Shows which places a layer represents alike. Does not explain a prediction, so "
        "it is not measured below; the chosen place itself is always the brightest. Empty on a grid of one cell."
    ),
    family="Features",
    order=2,
    takes_layer=True,
    takes_query=True,
    paper="Shechtman & Irani, CVPR 2007",
    url="https://doi.org/10.1109/CVPR.2007.383198",
)


def self_similarity(features: Tensor) -> Tensor:
    """Cosine of the features at every two places, negative values cut off: [B, C, H, W] -> [B, HW, HW]."""
    places = F.normalize(features.flatten(2), dim=1)  # [B, C, N]
    return F.relu(places.transpose(1, 2) @ places)


def similarity_of_places(
    model: Tapped, images: Tensor, options: MapOptions, grid: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Logits [B, K], the similarity of every two places of a layer [B, N, N], and their grid (H, W).

    Args:
        grid: what the features are pooled to before N x N of them are compared: an early layer of a CNN has thousands.
    """
    with torch.no_grad():
        outputs = model(images, frozenset({"logits", "features"}))
        features = outputs.features[-1 if options.layer is None else options.layer].float()
        if grid is not None and tuple(features.shape[2:]) != grid:
            features = F.adaptive_avg_pool2d(features, grid)
        # what all places share tells none of them apart
        similarity = self_similarity(features - features.mean(dim=(2, 3), keepdim=True))
    return outputs.logits, similarity, (features.shape[2], features.shape[3])


def affinity(model: Tapped, images: Tensor, options: MapOptions, grid: tuple[int, int]) -> np.ndarray:
    """The similarity of every two places of a layer, [B, N, N], on a grid of N cells."""
    found: np.ndarray = similarity_of_places(model, images, options, grid)[1].cpu().numpy()
    return found


def maps(model: Tapped, images: Tensor, options: MapOptions) -> tuple[Tensor, Tensor]:
    """Logits [B, K] and maps [B, H, W] of the place `options.query`."""
    logits, similarity, grid = similarity_of_places(model, images, options)
    return logits, similarity[:, options.cell(grid)].unflatten(1, grid)
