"""Cross-entropy on the labels; images without a label are left out."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from kdcore.methods.base import Card, Method, Share
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes


def ce_loss(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over the labelled images; zero (with a graph) where there is none.

    Args:
        logits: [B, K].
        targets: [B]; `NO_LABEL` where the label is withheld.
        smoothing: label smoothing, the share of the target spread over all classes.
    """
    labelled = (targets != NO_LABEL).sum().clamp(min=1)
    total = F.cross_entropy(logits, targets, ignore_index=NO_LABEL, reduction="sum", label_smoothing=smoothing)
    return total / labelled


class CE(Method):
    """Options:

    smoothing: label smoothing, the share of the target spread over all classes.
    """

    card = Card(
        title="Cross-entropy",
        summary="The student learns the labels.",
        formula=r"-\log p_{S}(y)",
        symbols="$y$ the label",
        paper="Standard supervised training",
        url="https://arxiv.org/abs/1512.00567",
        weight=1.0,
        source="Weight 1 on its own, 0.1 beside distillation at 0.9 (mdistiller, CIFAR-100); the smoothing option "
        "is Szegedy et al., 2016.",
        use="In nearly every recipe: the only term that needs no teacher. It is a twin's whole loss.",
        avoid="With few labels its gradient is noisy.",
    )
    uses_teacher = False
    needs_labels = True
    refuses_mixed = ""

    def __init__(self, student: Shapes, teacher: Shapes | None, *, smoothing: Share = 0.0) -> None:
        super().__init__(student, teacher)
        self.smoothing = smoothing

    @classmethod
    def label_smoothing(cls, options: Mapping[str, Any]) -> float:
        return float(options.get("smoothing", 0))

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        """Of mixed images the mean over both labels, weighted by their shares: cross-entropy with the mixed label."""
        loss = ce_loss(student.logits, batch.targets, smoothing=self.smoothing)
        if batch.other_targets is None:
            return loss
        other = ce_loss(student.logits, batch.other_targets, smoothing=self.smoothing)
        return batch.share * loss + (1 - batch.share) * other
