"""The teacher: a frozen network in eval mode, without gradients, even if train() is called."""

import torch
from torch import Tensor, nn

from kdcore import models
from kdcore.models.tapped import LOGITS, Ask, Tapped
from kdcore.runtime import mixed_precision
from kdcore.runtime.mixed_precision import Precision
from kdcore.tensors.outputs import Outputs


class Teacher(nn.Module):
    """A frozen model: images [B, 3, H, W] in [0, 1] -> Outputs.

    Keep it beside what is trained, not in it: its parameters then reach no optimizer, checkpoint or export.
    """

    def __init__(self, model: Tapped, *, precision: Precision = "exact") -> None:
        """
        Args:
            model: on the device where it will run.
            precision: `fast` runs a bfloat16 copy where bfloat16 is faster on the device.
        """
        super().__init__()
        self.model = model
        model.requires_grad_(False)
        fast = precision == "fast" and mixed_precision.bfloat16_is_faster(model.mean.device)
        self.answering = models.quick(model) if fast else model
        self.compiled: Ask | None = None  # the compiled network, where there is one
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stays in eval mode: in training mode BatchNorm statistics would change and dropout would add noise."""
        super().train(False)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Teacher":
        """Stays frozen."""
        super().requires_grad_(False)
        return self

    @torch.no_grad()
    def forward(self, images: Tensor, needs: frozenset[str] = LOGITS) -> Outputs:
        if self.answering.training:  # someone called train() on the model itself
            self.answering.eval()
        outputs: Outputs = (self.compiled or self.answering)(images, needs)
        return outputs
