"""The teacher: a network that only answers. Frozen, in eval mode, without gradient, whatever its owner does."""

import torch
from torch import Tensor, nn

from kdcore.models.tapped import LOGITS, Tapped
from kdcore.outputs import Outputs


class Teacher(nn.Module):
    """A frozen model: images [B, 3, H, W] in [0, 1] -> Outputs.

    Keep it beside what is trained, not in it: its parameters then reach no optimizer, checkpoint or export.
    """

    def __init__(self, model: Tapped, *, precision: str = "fp32") -> None:
        super().__init__()
        self.model = model
        self.precision = precision
        model.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stays in eval mode: in training mode BatchNorm would drift with every batch, and dropout would blur answers."""
        super().train(False)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Teacher":
        """Stays frozen."""
        super().requires_grad_(False)
        return self

    @torch.no_grad()
    def forward(self, images: Tensor, needs: frozenset[str] = LOGITS) -> Outputs:
        if self.model.training:  # someone called train() on the model itself
            self.model.eval()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            said: Outputs = self.model(images, needs)
        return said
