"""Weights that are reduced when a loss on the validation images stops improving.

Like ReduceLROnPlateau for a learning rate: a term's weight is multiplied by `factor` after every `patience` epochs without
a new best. Typically the weight of hints: large at first, smaller when they stop helping.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from kdcore.recipe import Recipe


@dataclass
class Progress:
    """The state of one adapted term."""

    factor: float = 1.0  # on the recipe's weight
    best: float = math.inf  # lowest watched loss so far
    waited: int = 0  # epochs since then


@dataclass(frozen=True)
class Adaptation:
    """A change of a weight."""

    term: str
    factor: float  # on the recipe's weight, all changes so far
    reason: str


class AdaptiveWeights:
    """The factors of the terms with `adapt`, from watched losses that the loop measures."""

    def __init__(self, recipe: Recipe) -> None:
        self._terms = {term.label: term for term in recipe.terms}
        self._rules = {term.label: term.adapt for term in recipe.terms if term.adapt}
        self._watched = {name: recipe.watched(rule) for name, rule in self._rules.items()}
        self.names = tuple(dict.fromkeys(self._watched.values()))  # of the watched terms
        self._progress = {name: Progress() for name in self._rules}
        self._seen = 0  # the last observed epoch

    def factor(self, term: str) -> float:
        return self._progress[term].factor if term in self._progress else 1.0

    def watched(self, epoch: int) -> tuple[str, ...]:
        """The terms whose validation loss to measure after an epoch (1-based): those that count in it, and none for an epoch
        that was observed already, as after a resume at its end."""
        return tuple(name for name in self.names if epoch > self._seen and self._terms[name].counts_in(epoch))

    def observe(self, losses: dict[str, float], epoch: int) -> list[Adaptation]:
        """Update from the validation losses of the watched terms after an epoch. Returns the changes."""
        self._seen = epoch
        changes = []
        for name, rule in self._rules.items():
            now, watched = self._progress[name], self._watched[name]
            if watched not in losses:
                continue
            if losses[watched] < now.best:
                now.best, now.waited = losses[watched], 0
                continue
            now.waited += 1
            if now.waited >= rule.patience:
                now.factor, now.waited = now.factor * rule.factor, 0
                times = "one epoch" if rule.patience == 1 else f"{rule.patience} epochs"
                reason = f"validation {watched} is {losses[watched]:.4g}; no better than {now.best:.4g} for {times}"
                changes.append(Adaptation(name, now.factor, reason))
        return changes

    def state(self) -> dict[str, Any]:
        progress = {name: asdict(now) for name, now in self._progress.items()}
        return {"seen": self._seen, "progress": progress}

    def load_state(self, state: dict[str, Any]) -> None:
        self._seen = state["seen"]
        self._progress |= {name: Progress(**now) for name, now in state["progress"].items()}
