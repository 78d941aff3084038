"""BatchNorm over the images of all processes, in whatever network or loss calls it.

`torch.nn.SyncBatchNorm` replaces modules, and works on GPUs only. Here `F.batch_norm` itself is replaced within a block, so that
subclasses (timm's have an activation of their own) and functions are included; on a GPU by PyTorch's kernels.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules._functions import SyncBatchNorm
from torch.overrides import TorchFunctionMode


class SynchronisedBatchNorm(TorchFunctionMode):
    """Within this context, BatchNorm in training mode normalises by the statistics of all processes' images. Each process must
    call the same layers in the same order."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Like `F.batch_norm`; in training mode over the images of all processes, whose numbers may differ."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.is_cuda:
        found = SyncBatchNorm.apply(
            input.contiguous(memory_format=torch.channels_last if input.dim() == 4 else torch.contiguous_format),
            weight, bias, running_mean, running_var, eps, momentum, dist.group.WORLD, dist.get_world_size(),
        )  # fmt: skip
        return cast(Tensor, found)
    return cast(Tensor, _BatchNorm.apply(input, weight, bias, running_mean, running_var, momentum, eps))


class _BatchNorm(torch.autograd.Function):
    """Two collectives: counts, means and squared deviations in the forward, two sums for each channel in the backward."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        momentum: float,
        eps: float,
    ) -> Tensor:
        over = [0, *range(2, input.dim())]
        images = input.float()
        var, mean = torch.var_mean(images, over, correction=0)
        count = images.numel() // len(mean)
        own = torch.cat([mean, var * count, mean.new_tensor([count])])
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        means, deviations, counts = torch.stack(every).split([len(mean), len(mean), 1], dim=1)
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        var = (deviations + counts * (means - mean).square()).sum(0) / total
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * total / (total - 1)).to(running_var.dtype), momentum)
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(input, mean, scale, weight, total)
        slope = scale if weight is None else scale * weight
        found = (images - _column(mean, input)) * _column(slope, input)
        return (found if bias is None else found + _column(bias, input)).to(input.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, mean, scale, weight, total = ctx.saved_tensors
        gradient, over = gradients[0].float(), [0, *range(2, input.dim())]
        normal = (input.float() - _column(mean, input)) * _column(scale, input)
        of_bias, of_weight = gradient.sum(over), (gradient * normal).sum(over)
        sums = torch.stack([of_bias, of_weight])
        dist.all_reduce(sums)
        constant, along = sums / total
        slope = scale if weight is None else scale * weight
        back = (gradient - _column(constant, input) - normal * _column(along, input)) * _column(slope, input)
        affine = (None, None) if weight is None else (of_weight, of_bias)
        return back.to(input.dtype), *affine, None, None, None, None


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Values [C] beside a tensor [B, C, ...]."""
    return values.view(1, -1, *[1] * (like.dim() - 2))
