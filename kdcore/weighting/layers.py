"""How a teacher's layers share a term."""

import torch
from torch import Tensor, nn

from kdcore.errors import UserError

SMALL = 1e-8  # keeps the inverse of an entropy of 0 finite


class LayerWeights(nn.Module):
    """Weights [L] of a teacher's layers that sum to 1: alike, fixed, or by entropy, so that a layer with a decisive focus
    counts more.

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
                raise UserError(f"the teacher has {layers} layers, so `layers` needs {layers} weights of 0 or more.")
            start = torch.tensor(how, dtype=torch.float32) / sum(how)
        self.how, self.temperature, self.smoothing = how, temperature, smoothing
        self.cap = max(cap, 1 / layers)
        self.register_buffer("weights", start)

    @torch.no_grad()
    def observe(self, entropies: Tensor) -> None:
        """Move the weights towards what these normalised entropies [L] say."""
        if self.how == "entropy":
            target = torch.softmax(-entropies / self.temperature, dim=0)
        elif self.how == "inverse_entropy":
            target = 1 / (entropies + SMALL)
            target = target / target.sum()
        else:
            return
        self.weights.lerp_(capped(target, self.cap), 1 - self.smoothing)


def capped(weights: Tensor, cap: float) -> Tensor:
    """Weights [L] that sum to 1 with none above `cap`: what is cut off goes to the others in proportion."""
    at_cap = torch.zeros_like(weights, dtype=torch.bool)
    most = int(1 / cap + 1e-6)  # layers that can reach it; to ask whether any has would be to wait for the device
    for _ in range(most):
        at_cap |= weights > cap
        free = 1 - cap * at_cap.sum()
        weights = torch.where(at_cap, cap, weights * free / weights.masked_fill(at_cap, 0).sum())
    return weights
