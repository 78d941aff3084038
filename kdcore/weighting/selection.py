"""Which of a teacher's layers give hints: the ones whose activations vary most."""

import torch
from torch import Tensor, nn

from kdcore.errors import UserError

SCORES = ("variance", "coefficient_of_variation", "spatial_variance")
BATCHES = 10  # that a score is averaged over
HYSTERESIS = 0.1  # a layer is replaced only by one whose score is so much higher
TINY = 1e-12


def activation_scores(features: Tensor) -> Tensor:
    """How much a feature map [B, C, H, W] varies, as [3] in the order of SCORES.

    variance: over everything. It grows with the square of the activations' scale, so a layer may win by being loud.
    coefficient_of_variation: standard deviation over mean of the absolute activations; without a scale, high where few
        of them are large.
    spatial_variance: how much of a channel's variance lies between the places of an image rather than between images,
        from 0 to 1, mean over the channels that are not constant; without a scale, channel by channel.
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
    """Keeps the layers with the highest scores; all of them until `choose` was called.

    scores [3, L], as SCORES names the rows: averages over some ten batches. kept [L]: which layers are.
    """

    scores: Tensor
    kept: Tensor
    seen: Tensor

    def __init__(self, layers: int, keep: int, by: str) -> None:
        super().__init__()
        if by not in SCORES:
            raise UserError(f"by {by!r} is not one of {', '.join(SCORES)}.")
        if not 1 <= keep <= layers:
            raise UserError(f"select {keep} of {layers} feature maps is not possible; take 1 to {layers}.")
        self.keep, self.row = keep, SCORES.index(by)
        self.register_buffer("scores", torch.zeros(len(SCORES), layers))
        self.register_buffer("kept", torch.ones(layers, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros(()))
        self.chosen = list(range(layers))  # `kept` as numbers, without a wait for the device at every step
        self.register_load_state_dict_post_hook(lambda module, _: module._remember())

    @torch.no_grad()
    def observe(self, features: list[Tensor]) -> None:
        """Take in one batch's feature maps, one a layer."""
        self.seen += 1
        found = torch.stack([activation_scores(layer.float()) for layer in features], dim=1)
        self.scores.lerp_(found, 1 / self.seen.clamp(max=BATCHES))

    def choose(self) -> bool:
        """Keep the best layers; says whether that changed. What is kept already stays unless another is clearly better."""
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
