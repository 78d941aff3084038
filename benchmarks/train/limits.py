"""The machine's limit in FLOP a second, and the FLOP of a step: the share of the limit follows from both."""

import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train.pairs import Pair, networks
from kdcore.runtime import mixed_precision

SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices; small ones do not fill a GPU
TIMES = 30


class Limits:
    """The machine's limit in FLOP a second, by precision: the best product of matrices seen so far."""

    def __init__(self) -> None:
        self.flops = {"bf16": 0.0, "fp32": 0.0}
        mixed_precision.settle()
        self._settings = {"highest", torch.get_float32_matmul_precision()}  # two libraries, on a CPU
        self._device = "cuda" if torch.cuda.is_available() else "cpu"

    def measure(self) -> None:
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            for setting in self._settings:
                torch.set_float32_matmul_precision(setting)
                self.flops[name] = max(self.flops[name], self._product(dtype))

    def _product(self, dtype: torch.dtype) -> float:
        side = SIDE[self._device]
        left, right = (torch.randn(side, side, device=self._device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        best = 0.0
        for _ in range(TIMES):
            began = self._clock()
            torch.mm(left, right, out=out)
            best = max(best, 2 * side**3 / (self._clock() - began))
        return best

    def _clock(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()


def work(pair: Pair) -> tuple[float, float]:
    """FLOP an image (a multiplication and an addition counted apart): teacher's forward, student's forward and backward."""
    with torch.device("meta"):
        teacher, student = networks(pair)
        images = torch.empty(2, 3, pair.size, pair.size)
    return _flops(teacher.requires_grad_(False), images) / 2, _flops(student, images) / 2


def _flops(network: nn.Module, images: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        logits = network(images)
        if logits.requires_grad:
            logits.sum().backward()
    return int(counter.get_total_flops())
