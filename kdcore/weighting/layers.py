"""Weights of a teacher's layers in a term: equal, fixed, or by the entropy of their attention maps."""

import torch
from torch import Tensor, nn

from kdcore.errors import UserError

SMALL = 1e-8  # keeps the inverse of an entropy of 0 finite


class LayerWeights(nn.Module):
    """Weights [L] of a teacher's layers that sum to 1: equal, fixed, or by entropy, where layers with concentrated maps
    count more.

    `entropy`: softmax of minus the layers' normalised entropies over `temperature`. `inverse_entropy`: in proportion to
    1 / entropy, which is nearly flat: entropies of 5.94 and 5.90 nats give .249 and .251. Both are averaged over steps by
    `smoothing`, and none is above `cap`, since a very low entropy can also be an attention sink.
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
        if isinstance(how, str) and how not in ("entropy", "inverse_entropy", "uniform"):
            raise UserError(
                f"layers {how!r} is not 'entropy', 'inverse_entropy', 'uniform' or a list of {layers} weights."
            )
        start = torch.full((layers,), 1 / layers)
        if not isinstance(how, str):
            if len(how) != layers or min(how) < 0 or sum(how) <= 0:
                raise UserError(
                    f"the teacher has {layers} layers, so `layers` needs {layers} weights of 0 or more, not all 0."
                )
            start = torch.tensor(how, dtype=torch.float32) / sum(how)
        self.how, self.temperature, self.smoothing = how, temperature, smoothing
        self.cap = max(cap, 1 / layers)
        self.register_buffer("weights", start)

    @torch.no_grad()
    def observe(self, entropies: Tensor) -> None:
        """Update the weights from normalised entropies [L]."""
        if self.how == "entropy":
            target = torch.softmax(-entropies / self.temperature, dim=0)
        elif self.how == "inverse_entropy":
            target = 1 / (entropies + SMALL)
            target = target / target.sum()
        else:
            return
        self.weights.lerp_(capped(target, self.cap), 1 - self.smoothing)


def capped(weights: Tensor, cap: float) -> Tensor:
    """Weights [L] that sum to 1 with none above `cap`: the excess is distributed over the others in proportion."""
    at_cap = torch.zeros_like(weights, dtype=torch.bool)
    most = int(1 / cap + 1e-6)  # layers that can reach it; a test whether any did would wait for the device
    for _ in range(most):
        at_cap |= weights > cap
        free = 1 - cap * at_cap.sum()
        weights = torch.where(at_cap, cap, weights * free / weights.masked_fill(at_cap, 0).sum())
    return weights
