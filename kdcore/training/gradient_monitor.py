"""How hard each term pulls at the student: measured between a step's forward and backward, told, and used for balance."""

import time
from collections.abc import Iterator

from kdcore.events import Event, GradientsMeasured, Noted
from kdcore.tensors.outputs import Objective
from kdcore.training.reporting import Clock
from kdcore.training.state import Parts
from kdcore.weighting import GradientMeter, GradientShares, gradient_norms


class Pulls:
    """Measures where it is due. It changes no number of the run, unless the recipe balances its terms by it."""

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self._parts, self._clock = parts, clock
        self._meter = GradientMeter(parts.steps)
        self._found: tuple[GradientShares, dict[str, float]] | None = None  # what is still to be told, with the weights asked for
        self._warned: set[str] = set()

    def due(self) -> bool:
        """Whether the terms' gradients are taken in the step that begins."""
        parts, step = self._parts, self._parts.step + 1
        balance = parts.terms.balance
        return len(parts.student.distiller.methods) > 1 and (
            balance.due(step) if balance else self._meter.due(step, self._clock.busy)
        )

    def measure(self, objective: Objective) -> None:
        """Take the terms' gradients, if this is the time; to be called before the graph is gone."""
        if not self.due():
            return
        parts, balance, began = self._parts, self._parts.terms.balance, time.perf_counter()
        weights = {name: float(weight) for name, weight in objective.weights.items()}
        # a term that does not count now needs no backward pass, unless its weight is to be known when it does
        losses = {name: loss for name, loss in objective.losses.items() if balance or weights[name]}
        norms = gradient_norms(losses, parts.student.distiller.student.parameters())
        if balance:
            balance.observe(norms)
        pull = self._meter.read(norms, weights)
        self._found = pull, parts.terms.requested(parts.step / parts.steps, parts.knobs)
        self._meter.took(time.perf_counter() - began)

    def told(self) -> Iterator[Event]:
        """What was measured in the step that just ended."""
        if self._found is None:
            return
        (pull, asked), self._found, parts = self._found, None, self._parts
        equal = {name: asked[name] * times for name, times in pull.idle.items()}
        yield GradientsMeasured(parts.step, parts.epoch, pull.norms, pull.shares, equal)
        for name, weight in equal.items():
            if name not in self._warned:
                self._warned.add(name)
                share = pull.shares[name]
                told = "less than 0.1%" if share < 0.001 else f"{share:.1%}"
                yield Noted(
                    f"{name} does nothing at this weight: {told} of the gradient. At a weight of about "
                    f"{float(f'{weight:.2g}'):g} it would pull as hard as the other terms do.",
                    "warning",
                )
