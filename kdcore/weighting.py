"""How terms share the loss, and how a teacher's layers share a term."""

import torch
from torch import Tensor, nn

from kdcore import schedules
from kdcore.recipe import Recipe


class TermWeights:
    """Weight and temperature of each term as the run proceeds: the recipe's schedules times the knobs turned by hand."""

    def __init__(self, recipe: Recipe) -> None:
        self._weights = {term.label: schedules.parse(term.weight, recipe.epochs) for term in recipe.terms}
        self._temperatures = {term.label: schedules.parse(term.temperature, recipe.epochs) for term in recipe.terms}

    def weights(self, progress: float, knobs: dict[str, float]) -> dict[str, float]:
        return {name: weight(progress) * knobs.get(f"weight/{name}", 1.0) for name, weight in self._weights.items()}

    def temperatures(self, progress: float) -> dict[str, float]:
        return {name: temperature(progress) for name, temperature in self._temperatures.items()}


class LayerWeights(nn.Module):
    """Weights [L] of a teacher's layers that sum to 1: alike, fixed, or by entropy.

    By entropy: softmax of minus the layers' normalised entropies over `temperature`, so that a layer with a decisive
    focus counts more; averaged over steps by `smoothing`; none above `cap`, since a very low entropy can also be an
    attention sink. The seeds' 1 / entropy is nearly flat: entropies of 5.94 and 5.90 give .249 and .251.
    """

    weights: Tensor

    def __init__(
        self,
        layers: int,
        how: str | tuple[float, ...],
        temperature: float = 0.1,
        cap: float = 0.4,
        smoothing: float = 0.9,
    ) -> None:
        super().__init__()
        if isinstance(how, str) and how not in ("entropy", "uniform"):
            raise ValueError(f"layers {how!r} is not 'entropy', 'uniform' or a list of {layers} weights.")
        start = torch.full((layers,), 1 / layers)
        if not isinstance(how, str):
            if len(how) != layers or min(how) < 0 or sum(how) <= 0:
                raise ValueError(f"the teacher has {layers} layers, so `layers` needs {layers} weights of 0 or more.")
            start = torch.tensor(how, dtype=torch.float32) / sum(how)
        self.by_entropy, self.temperature, self.smoothing = how == "entropy", temperature, smoothing
        self.cap = max(cap, 1 / layers)
        self.register_buffer("weights", start)

    @torch.no_grad()
    def observe(self, entropies: Tensor) -> None:
        """Move the weights towards what these normalised entropies [L] say."""
        if self.by_entropy:
            target = capped(torch.softmax(-entropies / self.temperature, dim=0), self.cap)
            self.weights.lerp_(target, 1 - self.smoothing)


def capped(weights: Tensor, cap: float) -> Tensor:
    """Weights [L] that sum to 1 with none above `cap`: what is cut off goes to the others in proportion."""
    at_cap = torch.zeros_like(weights, dtype=torch.bool)
    for _ in range(len(weights)):
        if not (weights > cap + 1e-6).any():
            break
        at_cap |= weights > cap
        free = 1 - cap * at_cap.sum()
        weights = torch.where(at_cap, cap, weights * free / weights[~at_cap].sum())
    return weights
