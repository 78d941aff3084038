"""Weight and temperature of each term over a run."""

from typing import Any

from kdcore.recipe import Recipe, schedules
from kdcore.weighting.adaptive import AdaptiveWeights
from kdcore.weighting.gradients import GradientBalance


class TermWeights:
    """The recipe's schedules, in the epochs in which a term counts, times manual factors and adapted factors; balanced by
    the terms' gradients where the recipe has `weighting: gradients`."""

    def __init__(self, recipe: Recipe) -> None:
        self._epochs = recipe.epochs
        self._terms = {term.label: term for term in recipe.terms}
        self._weights = {term.label: schedules.parse(term.weight, recipe.epochs) for term in recipe.terms}
        self._temperatures = {term.label: schedules.parse(term.temperature, recipe.epochs) for term in recipe.terms}
        self.adaptive = AdaptiveWeights(recipe)
        self.balance = GradientBalance() if recipe.weighting == "gradients" else None

    def requested(self, progress: float, knobs: dict[str, float]) -> dict[str, float]:
        """The weight of each term before balancing; 0 in the epochs in which it does not count."""
        epoch = schedules.epoch(progress, self._epochs)
        return {
            name: weight(progress) * knobs.get(f"weight/{name}", 1.0) * self.adaptive.factor(name)
            if self._terms[name].counts_in(epoch)
            else 0.0
            for name, weight in self._weights.items()
        }

    def weights(self, progress: float, knobs: dict[str, float]) -> dict[str, float]:
        """The weight that multiplies each term's loss."""
        requested = self.requested(progress, knobs)
        return self.balance.balanced(requested) if self.balance else requested

    def temperatures(self, progress: float, knobs: dict[str, float]) -> dict[str, float]:
        return {name: own(progress) * knobs.get(f"temperature/{name}", 1.0) for name, own in self._temperatures.items()}

    def state(self) -> dict[str, Any]:
        return {"adaptive": self.adaptive.state(), "balance": self.balance.state() if self.balance else None}

    def load_state(self, state: dict[str, Any]) -> None:
        self.adaptive.load_state(state["adaptive"])
        if self.balance:
            self.balance.load_state(state["balance"])
