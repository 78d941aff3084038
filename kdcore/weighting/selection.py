"""Selection of a teacher's layers by how much their activations vary."""

import torch
from torch import Tensor, nn

from kdcore.errors import UserError

SCORES = ("variance", "coefficient_of_variation", "spatial_variance")
BATCHES = 10  # that a score is averaged over
HYSTERESIS = 0.1  # a layer is replaced only by one with a score 10 % higher
TINY = 1e-12


def activation_scores(features: Tensor) -> Tensor:
    """How much a feature map [B, C, H, W] varies, as [3] in the order of SCORES.

    variance: over all elements. It grows with the square of the activations' scale.
    coefficient_of_variation: standard deviation over mean of the absolute activations; independent of scale, high
        where few of them are large.
    spatial_variance: share of a channel's variance within images rather than between images, from 0 to 1, mean over the
        channels that are not constant; independent of scale.
    """
    strength = features.abs()
    within = features.var(dim=(2, 3), correction=0).mean(dim=0)  # [C]
    whole = features.var(dim=(0, 2, 3), correction=0)  # [C]
    alive = whole > TINY
    spatial = (within / whole.clamp(min=TINY)).where(alive, 0).sum() / alive.sum().clamp(min=1)
    return torch.stack(
        [features.var(correction=0), strength.std(correction=0) / strength.mean().clamp(min=TINY), spatial]
    )


class LayerSelection(nn.Module):
    """Selects the layers with the highest scores; all of them before the first `choose`.

    scores [3, L], with rows as in SCORES: averages over about ten batches. kept [L]: the selected layers.
    """

    scores: Tensor
    kept: Tensor
    seen: Tensor

    def __init__(self, layers: int, keep: int, by: str) -> None:
        super().__init__()
        if by not in SCORES:
            raise UserError(f"by {by!r} is not one of {', '.join(SCORES)}.")
        if not 1 <= keep <= layers:
            raise UserError(f"select is {keep}, and there are {layers} feature maps to select from: use 1 to {layers}.")
        self.keep, self.row = keep, SCORES.index(by)
        self.register_buffer("scores", torch.zeros(len(SCORES), layers))
        self.register_buffer("kept", torch.ones(layers, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros(()))
        self.chosen = list(range(layers))  # `kept` as indices on the CPU, so that no step waits for the device
        self.register_load_state_dict_post_hook(lambda module, _: module._remember())

    @torch.no_grad()
    def observe(self, features: list[Tensor]) -> None:
        """Update the scores from a batch's feature maps, one per layer."""
        self.seen += 1
        found = torch.stack([activation_scores(layer.float()) for layer in features], dim=1)
        self.scores.lerp_(found, 1 / self.seen.clamp(max=BATCHES))

    def choose(self) -> bool:
        """Select the best layers; a selected one stays unless another is clearly better. Returns whether it changed."""
        scores, before = self.scores[self.row].tolist(), list(self.chosen)
        ranked = sorted(range(len(scores)), key=lambda layer: -scores[layer])
        if len(before) != self.keep:
            self.chosen = sorted(ranked[: self.keep])
        else:
            for best in ranked:
                worst = min(self.chosen, key=lambda layer: scores[layer])
                if best not in self.chosen and scores[best] > (1 + HYSTERESIS) * scores[worst]:
                    self.chosen = sorted({*self.chosen, best} - {worst})
        self.kept.fill_(False)
        self.kept[self.chosen] = True
        return self.chosen != before

    def _remember(self) -> None:
        self.chosen = [layer for layer, kept in enumerate(self.kept.tolist()) if kept]
