"""Each term's share of the student's gradient, measured between a step's forward and backward."""

import time
from collections.abc import Iterator

from kdcore.events import Event, GradientsMeasured, Noted
from kdcore.runtime import distributed
from kdcore.tensors.outputs import Objective
from kdcore.training.reporting import Clock
from kdcore.training.state import Parts
from kdcore.weighting import GradientMeter, GradientShares, gradient_norms


class GradientMonitor:
    """Measures in some steps. Changes no number of the run, unless the recipe balances its terms by gradient norms."""

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self._parts, self._clock = parts, clock
        self._meter = GradientMeter(parts.steps)
        self._found: tuple[GradientShares, dict[str, float]] | None = (
            None  # not reported yet; and the weights of the recipe
        )
        self._warned: set[str] = set()
        self._answer: tuple[int, bool] | None = None  # of `due`, with the step it was given in

    def due(self) -> bool:
        """Whether gradients are measured in the next step. Asked again, the answer is the same."""
        if self._answer is None or self._answer[0] != self._parts.step:
            self._answer = self._parts.step, self._decided()
        return self._answer[1]

    def _decided(self) -> bool:
        parts, step = self._parts, self._parts.step + 1
        if len(parts.student.distiller.terms) == 1:
            return False
        if balance := parts.terms.balance:
            return balance.due(step)
        due = self._meter.due(step, self._clock.busy)
        if parts.process.alone or not self._meter.planned(step):
            return due
        return distributed.agreed(due, parts.device)  # each process has a clock of its own

    def measure(self, objective: Objective) -> None:
        """Measure the terms' gradients, if due. Call it before `backward`, which frees the graph."""
        if not self.due():
            return
        parts, balance, began = self._parts, self._parts.terms.balance, time.perf_counter()
        weights = {name: float(weight) for name, weight in objective.weights.items()}
        # a term of weight 0 needs no backward pass, unless its balanced weight will be needed
        losses = {name: loss for name, loss in objective.losses.items() if balance or weights[name]}
        norms = gradient_norms(losses, parts.student.distiller.student.parameters(), parts.process)
        if balance:
            balance.observe(norms)
        measured = self._meter.read(norms, weights)
        self._found = measured, parts.terms.requested(parts.progress, parts.knobs)
        self._meter.took(time.perf_counter() - began)

    def events(self) -> Iterator[Event]:
        """What was measured in the last step."""
        if self._found is None:
            return
        (measured, weights), self._found, parts = self._found, None, self._parts
        equal = {name: weights[name] * times for name, times in measured.idle.items()}
        yield GradientsMeasured(parts.step, parts.epoch, measured.norms, measured.shares, equal)
        for name, weight in equal.items():
            if name not in self._warned:
                self._warned.add(name)
                share = measured.shares[name]
                yield Noted(
                    f"{name} contributes {'less than 0.1 %' if share < 0.001 else f'{100 * share:.1f} %'} of the gradient at this weight. "
                    "That is its share, not its effect, which only a run without it shows. At a weight of about "
                    f"{float(f'{weight:.2g}'):g} it would contribute as much as the other terms."
                )
