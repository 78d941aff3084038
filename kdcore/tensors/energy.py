"""The energy of feature maps, the mean power of their channels (Zagoruyko & Komodakis, ICLR 2017, https://arxiv.org/abs/1612.03928)."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def energy(features: Tensor, *, power: float = 2) -> Tensor:
    """Features [B, C, H, W] -> map [B, H, W]: the mean over channels of |feature|^power.

    For features of a narrower type the map is float32: it is summed in float32, without a float32 copy of the features.
    """
    if power == 2:
        return cast(Tensor, _Squares.apply(features))
    return features.to(_wide(features)).abs().pow(power).mean(dim=1)


class _Squares(torch.autograd.Function):
    """The mean of squares over channels, with one pass over the features in each direction; plain autograd needs six."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        length = torch.linalg.vector_norm(features, dim=1, dtype=_wide(features))
        return length.square_().div_(features.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (features,) = ctx.saved_tensors
        return features * (gradient * (2 / features.shape[1])).to(features.dtype).unsqueeze(1)


def _wide(features: Tensor) -> torch.dtype:
    return torch.promote_types(features.dtype, torch.float32)
