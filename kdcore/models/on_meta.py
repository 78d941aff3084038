"""PyTorch's meta device for building networks: shapes without values, which take no memory and little time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# what libraries initialise weights with: without values it has no effect, and PyTorch would work it out in Python
INITIALISING = frozenset(
    (Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.sub_, Tensor.div_, Tensor.clamp_,
     Tensor.zero_, Tensor.fill_)
)  # fmt: skip


class _Uninitialised(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in INITIALISING and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def on_meta() -> Iterator[None]:
    """Tensors that are made here have shapes alone, and initialising them takes no time."""
    with torch.device("meta"), _Uninitialised():
        yield
