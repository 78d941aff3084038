"""What travels between the parts of a run: named tensors, and the legend of their shapes.

B batch   K classes   C channels   H, W grid   D width of the pooled vector   h attention heads
"""

from dataclasses import dataclass, field

from torch import Tensor

NO_LABEL = -1  # target of an image whose label is withheld


@dataclass(frozen=True)
class Batch:
    """One training step's images.

    images: [B, 3, H, W], float in [0, 1]; each model normalises for itself.
    targets: [B], int64; `NO_LABEL` where the label is withheld.
    indices: [B], int64: the image's place in its split, the same in every epoch.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor


@dataclass(frozen=True)
class Outputs:
    """What one network says of a batch.

    logits: [B, K].
    pooled: [B, D], the vector that the classifier reads.
    features: maps [B, C, H, W] from shallow to deep, one a stage (CNN) or block (ViT, prefix tokens left out).
    attention: for a ViT, one [B, h, H, W] a block: the class token's attention to the patches as the softmax gave
        it, so the sum over H, W is one less what went to prefix tokens. Empty where there is no class token.
    distilled_logits: [B, K] of a distillation token's own head, where there is one and the model is training.
    """

    logits: Tensor
    pooled: Tensor
    features: tuple[Tensor, ...] = ()
    attention: tuple[Tensor, ...] = ()
    distilled_logits: Tensor | None = None


@dataclass(frozen=True)
class Shapes:
    """The shapes of a model's outputs without the batch: what a method sizes its projectors by."""

    classes: int
    pooled: int
    features: tuple[tuple[int, int, int], ...]  # (C, H, W) each
    attention: tuple[tuple[int, int, int], ...]  # (h, H, W) each; empty for a CNN


@dataclass(frozen=True)
class Objective:
    """One step's loss, with its parts. `losses` are unweighted scalars by term name, `weights` what each counted."""

    total: Tensor
    losses: dict[str, Tensor]
    weights: dict[str, float]
    layer_weights: dict[str, Tensor] = field(default_factory=dict)  # [L] a term that weighs layers
