"""Weights that fall when a loss on the held-out images no longer does.

As ReduceLROnPlateau does with a learning rate: a term's weight is multiplied by `factor` each time that `patience` epochs
have brought no new best. The weight of the hints is the usual one: strong at first, less when it stops helping.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from kdcore.recipe import Recipe


@dataclass
class Progress:
    """Where one adapted term stands."""

    factor: float = 1.0  # on what the recipe says
    best: float = math.inf  # the least loss that was watched so far
    waited: int = 0  # epochs since then


@dataclass(frozen=True)
class Adaptation:
    """A weight was changed."""

    term: str
    factor: float  # on what the recipe says, all changes so far
    reason: str


class AdaptiveWeights:
    """The factors of the terms that have `adapt`. Knows numbers only: who measures the watched loss is the loop's affair."""

    def __init__(self, recipe: Recipe) -> None:
        self._terms = {term.label: term for term in recipe.terms}
        self._rules = {term.label: term.adapt for term in recipe.terms if term.adapt}
        self._watched = {name: recipe.watched(rule) for name, rule in self._rules.items()}
        self.names = tuple(dict.fromkeys(self._watched.values()))  # of the terms whose loss is watched
        self._progress = {name: Progress() for name in self._rules}
        self._seen = 0  # the last epoch that was taken account of

    def factor(self, term: str) -> float:
        return self._progress[term].factor if term in self._progress else 1.0

    def watched(self, epoch: int) -> tuple[str, ...]:
        """The terms whose held-out loss is wanted after an epoch (1-based): those that count in it, and not twice for one
        epoch, as a run that is resumed at its end would ask."""
        return tuple(name for name in self.names if epoch > self._seen and self._terms[name].counts_in(epoch))

    def observe(self, losses: dict[str, float], epoch: int) -> list[Adaptation]:
        """Take in the watched terms' held-out losses after an epoch; returns what changes by it."""
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
                reason = f"{watched} on the held-out images is {losses[watched]:.4g}; no better than {now.best:.4g} for {times}"
                changes.append(Adaptation(name, now.factor, reason))
        return changes

    def state(self) -> dict[str, Any]:
        progress = {name: asdict(now) for name, now in self._progress.items()}
        return {"seen": self._seen, "progress": progress}

    def load_state(self, state: dict[str, Any]) -> None:
        self._seen = state["seen"]
        self._progress = {name: Progress(**now) for name, now in state["progress"].items()}
