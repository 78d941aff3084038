"""What a test of textures measures: whether lines stay, and how far a texture is from another."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SOBEL = torch.tensor([[[[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]], [[[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]]])


def contours(images: Tensor) -> Tensor:
    """The strength of edges at the scale of objects: [m, 3, H, W] -> [m, 16 x 16]."""
    grey = F.avg_pool2d(F.interpolate(images, (64, 64), mode="bilinear", antialias=True).mean(1, keepdim=True), 2)
    return F.avg_pool2d(F.conv2d(grey, SOBEL, padding=1).square().sum(1, keepdim=True).sqrt(), 2).flatten(1)


def correlation(one: Tensor, other: Tensor) -> float:
    """The mean correlation of two rows of numbers."""
    one, other = (each - each.mean(1, keepdim=True) for each in (one, other))
    return float(F.cosine_similarity(one, other).mean())


def gram_distance(maps: Sequence[Tensor], grams: Sequence[Tensor]) -> float:
    """Over layers, the mean squared distance of Gram matrices relative to the texture's own length."""
    parts = []
    for each, other in zip(maps, grams, strict=True):
        flat = each.flatten(2)
        own = torch.einsum("mck,mdk->mcd", flat, flat) / flat.shape[2]
        parts.append(((own - other) ** 2).sum((1, 2)) / (other**2).sum((1, 2)))
    return float(torch.stack(parts).mean())
