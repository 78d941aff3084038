"""Layers with weights prepacked for the CPU, for a frozen network that runs often on a few images.

oneDNN, which computes convolutions on a CPU, lays a layer's weights out anew at every call. For a single image that costs
more than the late layers' arithmetic: a ResNet-50 takes one image of 224 px in three quarters of the time without it, and
linear layers win a tenth. The price is memory: weights are held twice, because a gradient still goes by the plain ones.
"""

import torch
from torch import Tensor, nn

OPERATIONS = torch.ops.mkldnn


class PackedConvolution(nn.Conv2d):
    """A convolution with its weights prepacked for the shape of the last images.

    Where a gradient is followed, or on another device than a CPU, it is the convolution that it was. Its weights must not
    change any more.
    """

    packed: Tensor | None = None
    shape: tuple[int, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        if _plainly(self.weight, input):
            return super().forward(input)
        how = (list(self.padding), list(self.stride), list(self.dilation), self.groups)
        if self.packed is None or self.shape != tuple(input.shape):
            self.shape = tuple(input.shape)
            self.packed = OPERATIONS._reorder_convolution_weight(self.weight, *how, list(input.shape))
        found: Tensor = OPERATIONS._convolution_pointwise(input, self.packed, self.bias, *how, "none", [], "")
        return found


class PackedLinear(nn.Linear):
    """A linear layer with prepacked weights, for any number of rows."""

    packed: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        if _plainly(self.weight, input):
            return super().forward(input)
        if self.packed is None:
            self.packed = OPERATIONS._reorder_linear_weight(self.weight, input.shape[:-1].numel())
        found: Tensor = OPERATIONS._linear_pointwise(input, self.packed, self.bias, "none", [], "")
        return found


def pack(net: nn.Module) -> None:
    """Prepack the weights of a frozen network's plain layers, where this build of PyTorch can."""
    if not torch.backends.mkldnn.is_available() or not hasattr(OPERATIONS, "_reorder_convolution_weight"):
        return
    for module in net.modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            module.__class__ = PackedConvolution
        elif type(module) is nn.Linear:
            module.__class__ = PackedLinear


def _plainly(weight: Tensor, input: Tensor) -> bool:
    """Whether to use PyTorch's default implementation."""
    return (
        input.device.type != "cpu" or input.dtype != weight.dtype or (torch.is_grad_enabled() and input.requires_grad)
    )
