"""A GPU that computes nothing: PyTorch's fake tensors know shape, type and device alone.

An operation on tensors of two devices fails on it, as on a real one; and so does whatever would have to wait for numbers,
such as `.item()` or indices of what is true. Only gradients cannot be asked for.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

GPU = torch.device("cuda:0")


class FakeGPU(FakeTensorMode):  # type: ignore[misc]
    """Used as a context; what is to be computed with is taken onto it first."""

    def taken(self, value: Any) -> Any:
        """The same tensor, tuple or dataclass of tensors on the GPU."""
        if isinstance(value, Tensor):
            with self:
                return self.from_tensor(value).to(GPU)
        if isinstance(value, tuple):
            return tuple(self.taken(each) for each in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.replace(
                value, **{f.name: self.taken(getattr(value, f.name)) for f in dataclasses.fields(value)}
            )
        return value

    def moved(self, module: nn.Module) -> nn.Module:
        """The module itself, with its parameters and buffers on the GPU. What else it keeps stays where it is."""
        for each in module.modules():
            for tensors in (each._parameters, each._buffers):
                tensors.update({name: self._held(tensor) for name, tensor in tensors.items() if tensor is not None})
        return module

    def _held(self, tensor: Tensor) -> Any:
        taken = self.taken(tensor.detach())
        return nn.Parameter(taken, requires_grad=False) if isinstance(tensor, nn.Parameter) else taken
