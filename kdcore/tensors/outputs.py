"""Batches, outputs of networks and losses as named tensors, and the legend of their shapes.

B batch   E further views of it   K classes   C channels   H, W grid   D width of the pooled vector   h heads of width d
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

NO_LABEL = -1  # target of an image whose label is withheld


@dataclass(frozen=True)
class Batch:
    """One training step's images.

    images: [B, 3, H, W], float in [0, 1]; each model normalises for itself.
    targets: [B], int64; `NO_LABEL` where the label is withheld.
    indices: [B], int64: indices of the images in their split, the same in every epoch.
    views: [E, 3, H, W], further views that a method needs, for the same forward.
    progress: of the run, in [0, 1].
    view: number of the images' fixed augmentation; None where it was drawn for this step.
    other_targets: [B], of the image that each is mixed with (mixup, CutMix); None where images are not mixed.
    share: of its own image in each mixture, and of `targets` in its label; the rest is `other_targets`.
    whole: where this is one process's part of a batch, the batch of all processes, without the pixels of its images.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor
    views: Tensor | None = None
    progress: float = 0.0
    view: int | None = None
    other_targets: Tensor | None = None
    share: float = 1.0
    whole: "Batch | None" = None

    def of_rows(self, rows: Tensor) -> "Batch":
        """One process's part of this batch.

        Args:
            rows: int64 [b], on the CPU; the images may be these already.
        """
        shape, places = (len(self.targets), *self.images.shape[1:]), rows.to(self.targets.device)
        images = self.images if len(self.images) == len(rows) else self.images[places]
        others = None if self.other_targets is None else self.other_targets[places]
        return dataclasses.replace(
            self, images=images, targets=self.targets[places], indices=self.indices[places], other_targets=others,
            whole=dataclasses.replace(self, images=torch.empty(shape, device="meta")),
        )  # fmt: skip

    def rows(self, rows: slice) -> "Batch":
        """Some of the images, without the further views, which are made afterwards."""
        others = None if self.other_targets is None else self.other_targets[rows]
        return dataclasses.replace(
            self, images=self.images[rows], targets=self.targets[rows], indices=self.indices[rows], views=None,
            other_targets=others,
        )  # fmt: skip

    @property
    def own_share(self) -> float:
        """The share of the whole batch's images that are this process's."""
        return len(self.targets) / len(self.whole.targets) if self.whole else 1.0

    @property
    def seen(self) -> Tensor:
        """The images and the further views, [B + E, 3, H, W]."""
        return self.images if self.views is None else torch.cat([self.images, self.views])


@dataclass(frozen=True)
class Outputs:
    """A network's outputs for a batch.

    logits: [B, K].
    pooled: [B, D], the input of the classifier.
    features: maps [B, C, H, W] from shallow to deep, one per stage (CNN) or block (ViT, without prefix tokens).
    attention: for a ViT, one [B, h, H, W] per block: the class token's attention to the patches after the softmax, so
        the sum over H, W is 1 minus the attention to prefix tokens. Empty where there is no class token.
    distilled_logits: [B, K] of a distillation token's own head, where there is one and the model is training.
    dense: [B, K, H, W], the classifier at every position of the last map; its mean over positions is `logits`. None where the
        network does not average before a linear classifier.
    qkv: [B, 3, h, d, H, W], queries, keys and values of the last block's patches; None for a CNN.
    views: the outputs for `Batch.views`, where a method needs them.
    """

    logits: Tensor
    pooled: Tensor
    features: tuple[Tensor, ...] = ()
    attention: tuple[Tensor, ...] = ()
    distilled_logits: Tensor | None = None
    dense: Tensor | None = None
    qkv: Tensor | None = None
    views: "Outputs | None" = None

    def split(self, images: int) -> "Outputs":
        """The outputs of the first `images`; those of the rest become their `views`."""

        def part(rows: slice) -> Outputs:
            return Outputs(**{f.name: _rows(getattr(self, f.name), rows) for f in dataclasses.fields(self)})

        return dataclasses.replace(part(slice(images)), views=part(slice(images, None)))


def _rows(value: Tensor | tuple[Tensor, ...] | None, rows: slice) -> Any:
    if isinstance(value, tuple):
        return tuple(each[rows] for each in value)
    return None if value is None else value[rows]


@dataclass(frozen=True)
class Shapes:
    """The shapes of a model's outputs without the batch, by which methods size their projectors."""

    classes: int
    pooled: int
    features: tuple[tuple[int, int, int], ...]  # (C, H, W) each
    attention: tuple[tuple[int, int, int], ...]  # (h, H, W) each; empty for a CNN
    tokens: bool = False  # whether the features are a ViT's patch tokens, which are signed
    dense: tuple[int, int] | None = (
        None  # (H, W), where the classifier can be applied at every position of the last map
    )
    qkv: tuple[int, int, int, int] | None = None  # (h, d, H, W) of the last block, for a ViT
    distilled: bool = False  # whether a distillation token has its own classifier
    class_token: bool = False  # whether there is a class token, also where its attention cannot be read


@dataclass(frozen=True)
class Objective:
    """The loss of a step, with its parts. `losses` are unweighted scalars by term, `weights` their weights: numbers, or
    tensors where they are learned."""

    total: Tensor
    losses: dict[str, Tensor]
    weights: Mapping[str, float | Tensor]
    layer_weights: dict[str, Tensor] = field(default_factory=dict)  # [L] per term that weights layers
