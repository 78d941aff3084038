"""Gradient norms of the terms at the student: when they are measured, their shares, and weights balanced by them.

A term's value is no measure of its effect: a mean squared error of attention maps is a small number with an even smaller
gradient, and a weight copied from a paper with another reduction is off by factors of ten to a thousand.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdcore.runtime import distributed
from kdcore.runtime.distributed import ALONE, Process

Norms = dict[str, float]
IDLE = 0.01  # a term with a smaller share of the gradient is idle ...
IDLE_MEASUREMENTS = 3  # ... after so many measurements in a row
FIRST_STEPS = (1, 5, 10)  # always measured
EARLY_STEPS, EARLY_EVERY = 100, 10  # then every 10 steps up to step 100 ...
SPREAD = 50  # ... and 50 times over the whole run
BUDGET = 0.05  # of the run's time: a measurement is one more backward pass for each term


def gradient_norms(losses: dict[str, Tensor], parameters: Iterable[nn.Parameter], process: Process = ALONE) -> Norms:
    """The norm of each loss's gradient with respect to all the parameters together; the graph is kept.

    Args:
        losses: unweighted scalars by term name, of one forward.
        parameters: the student's, without projectors.
        process: of several, whose gradients are averaged.
    """
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    names, norms = [], []
    for name, loss in losses.items():
        if loss.requires_grad:
            found = torch.autograd.grad(loss, learning, retain_graph=True, allow_unused=True)
            parts = [gradient for gradient in found if gradient is not None]
            if parts and not process.alone:
                parts = distributed.averaged(parts)
            names.append(name)
            norms.append(
                torch.linalg.vector_norm(torch.stack(torch._foreach_norm(parts))) if parts else loss.new_zeros(())
            )
    measured = (
        dict(zip(names, torch.stack(norms).tolist(), strict=True)) if norms else {}
    )  # a single wait for the device
    return {name: measured.get(name, 0.0) for name in losses}


@dataclass(frozen=True)
class GradientShares:
    """A measurement, by term.

    norms: gradient norm of the weighted term, 0 where it does not count now. shares: of the sum of the norms.
    idle: terms under 1 % in the last measurements -> the factor on the weight at which the term would contribute as much as
        the others do on average.
    """

    norms: Norms
    shares: Norms
    idle: Norms


class GradientMeter:
    """Schedules the measurements of gradient norms and interprets them. A measurement is one more backward pass for each
    term, so they are taken at a few fixed steps and then within a budget of time."""

    def __init__(self, steps: int) -> None:
        self._every = max(1, steps // SPREAD)
        self._steps = steps
        self._spent = self._longest = 0.0
        self._recent: deque[Norms] = deque(maxlen=IDLE_MEASUREMENTS)

    def planned(self, step: int) -> bool:
        """Whether to measure at a step (the first is 1) where the time allows."""
        return step in FIRST_STEPS or step % self._every == 0 or (step <= EARLY_STEPS and step % EARLY_EVERY == 0)

    def due(self, step: int, busy_seconds: float) -> bool:
        """Whether to measure at a step, `busy_seconds` into the run."""
        if step in FIRST_STEPS:
            return True
        return self.planned(step) and self._spent + self._longest <= BUDGET * busy_seconds

    def took(self, seconds: float) -> None:
        self._spent += seconds
        self._longest = max(self._longest, seconds)

    def read(self, norms: Norms, weights: Norms) -> GradientShares:
        """Shares and idle terms from the norms of the unweighted terms; those with weight 0 may be missing."""
        weighted = {name: weight * norms.get(name, 0.0) for name, weight in weights.items()}
        whole = sum(weighted.values())
        shares = {name: norm / whole if whole else 0.0 for name, norm in weighted.items()}
        counting = [name for name, weight in weights.items() if weight > 0]
        self._recent.append({name: shares[name] for name in counting})
        idle = {}
        for name in counting:
            low = len(counting) > 1 and all(measured.get(name, 1.0) < IDLE for measured in self._recent)
            if low and len(self._recent) == IDLE_MEASUREMENTS and weighted[name]:
                idle[name] = (whole - weighted[name]) / (len(counting) - 1) / weighted[name]
        return GradientShares(weighted, shares, idle)


class GradientBalance:
    """Weights rescaled so that each term's gradient norm at the student is in proportion to the requested weight.

    A term's weight w becomes w * G / g, where g is the smoothed norm of its unweighted gradient and G the mean of these
    norms over the terms, weighted by w: the total gradient keeps its size. The aim is GradNorm's (Chen et
    al., ICML 2018, https://arxiv.org/abs/1711.02257) without its training rates: the norms are divided out directly.
    """

    EVERY = 10  # steps between measurements
    SMOOTHING = 0.5  # of the moving average of the norms
    MOST = 1e4  # largest factor on a weight; a gradient near zero is noise and stays small

    def __init__(self) -> None:
        self._norms: Norms = {}

    def due(self, step: int) -> bool:
        """Whether to measure at a step (the first is 1)."""
        return step % self.EVERY == 1

    def observe(self, norms: Norms) -> None:
        for name, norm in norms.items():
            before = self._norms.get(name, norm)
            self._norms[name] = self.SMOOTHING * before + (1 - self.SMOOTHING) * norm

    def balanced(self, weights: Norms) -> Norms:
        """The weights to use; the requested ones before the first measurement."""
        whole = sum(weights.values())
        if not weights.keys() <= self._norms.keys() or not whole:  # not all of them measured yet
            return weights
        mean = sum(weight * self._norms[name] for name, weight in weights.items()) / whole
        least = mean / self.MOST
        return (
            {name: weight * mean / max(self._norms[name], least) for name, weight in weights.items()}
            if mean
            else weights
        )

    def state(self) -> Norms:
        return dict(self._norms)

    def load_state(self, state: Norms) -> None:
        self._norms = dict(state)
