"""Everything that learns, in one module: a student and the methods with their projectors.

The teacher stays outside, so that nothing finds its parameters: no optimizer, no checkpoint, no export.
"""

from typing import cast

import torch
from torch import Tensor, nn

from kdcore.methods.base import Method
from kdcore.models import Tapped
from kdcore.outputs import Batch, Objective, Outputs


class Distiller(nn.Module):
    """A student and the terms of its loss. Called with a batch and what the teacher says of it."""

    def __init__(self, student: Tapped, methods: dict[str, Method], *, precision: str = "fp32") -> None:
        super().__init__()
        self.student = student
        self.methods = nn.ModuleDict(methods)
        self.precision = precision

    @property
    def needs(self) -> frozenset[str]:
        """The outputs that the terms read, of the student and of the teacher alike."""
        return frozenset({"logits"}).union(*(method.needs for method in self._methods.values()))

    @property
    def uses_teacher(self) -> bool:
        return any(method.uses_teacher for method in self._methods.values())

    def forward(
        self, batch: Batch, teacher: Outputs | None, weights: dict[str, float], temperatures: dict[str, float]
    ) -> tuple[Objective, Outputs]:
        """One forward of the student, one loss a term, and their weighted sum. Losses are computed in float32."""
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = self.student(batch.images, self.needs)
        outputs = in_float32(outputs)
        # methods without a teacher never look at it
        said = cast(Outputs, in_float32(teacher) if teacher else None)
        losses = {name: method(outputs, said, batch, temperatures[name]) for name, method in self._methods.items()}
        total = sum((weights[name] * loss for name, loss in losses.items()), outputs.logits.new_zeros(()))
        layers = {
            name: shares for name, method in self._methods.items() if (shares := method.layer_weights()) is not None
        }
        return Objective(total, losses, weights, layers), outputs

    @property
    def _methods(self) -> dict[str, Method]:
        return cast(dict[str, Method], dict(self.methods.items()))


def in_float32(outputs: Outputs) -> Outputs:
    """The same outputs in float32; nothing is copied where they are already."""

    def wide(tensor: Tensor) -> Tensor:
        return tensor.float()

    return Outputs(
        logits=wide(outputs.logits),
        pooled=wide(outputs.pooled),
        features=tuple(wide(feature) for feature in outputs.features),
        attention=tuple(wide(attention) for attention in outputs.attention),
        distilled_logits=None if outputs.distilled_logits is None else wide(outputs.distilled_logits),
    )
