"""Exact and fast arithmetic: whether bfloat16 is faster on this device, measured, and the settings of the process.

`exact` is float32 throughout. `fast` multiplies in bfloat16 where that is faster, and accumulates in float32; weights, losses
and optimizer stay in float32. Where bfloat16 is not faster, `fast` is the same as `exact`.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from kdcore.runtime import allocator

Precision = Literal["exact", "fast"]
WORTH_IT = 1.2  # times faster, for bfloat16 to be used; processors reach about 2, or a half
SAME = 1e-5  # largest relative error that is still float32: rounding to bfloat16 has 4e-3


def settle() -> None:
    """Apply the settings of the process before computing. May be called repeatedly."""
    allocator.keep_freed_memory()
    _quick_linears()


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which networks run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "fast" and bfloat16_is_faster(device))


def bfloat16_is_faster(device: torch.device) -> bool:
    """Whether bfloat16 is faster on a device. On a CPU it is measured once, in some hundredths of a second."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _bfloat16_is_faster_on_cpu()


@lru_cache(maxsize=1)
def _bfloat16_is_faster_on_cpu() -> bool:
    images, weight = torch.ones(1, 64, 32, 32), torch.ones(64, 64, 3, 3)
    images, weight = (each.contiguous(memory_format=torch.channels_last) for each in (images, weight))
    coarse, coarse_weight = images.bfloat16(), weight.bfloat16()
    exact = _least_seconds(lambda: torch.conv2d(images, weight, padding=1))
    return exact > WORTH_IT * _least_seconds(lambda: torch.conv2d(coarse, coarse_weight, padding=1))


def _least_seconds(act: Callable[[], object], times: int = 15) -> float:
    """The shortest processor time of several trials; other processes can only make one longer."""
    seconds = []
    for _ in range(times):
        began = time.thread_time()
        act()
        seconds.append(time.thread_time() - began)
    return min(seconds)


@lru_cache(maxsize=1)
def _quick_linears() -> bool:
    """Let oneDNN compute float32 products on a CPU, where MKL may be half as fast, unless that rounds to bfloat16.

    On a processor with matrix tiles (AMX) the same switch changes the arithmetic, so it is tested and reverted where
    products change. It also affects products on a GPU, so it is not set beside one.
    """
    if torch.cuda.is_available():
        return False
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(64, 256, generator=generator), torch.randn(256, 192, generator=generator)
    if _error(left, right) > SAME:
        torch.set_float32_matmul_precision(before)
        return False
    return True


def _error(left: Tensor, right: Tensor) -> float:
    """The largest error of a float32 product and of a linear layer, relative to the largest entry of the exact product."""
    wanted = left.double() @ right.double()
    found = (left @ right, torch.nn.functional.linear(left, right.T.contiguous()))
    return max(float((each - wanted).abs().max() / wanted.abs().max()) for each in found)
