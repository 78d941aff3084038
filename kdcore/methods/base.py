"""What every distillation method is: a module that compares what the student and the teacher say of a batch."""

from typing import ClassVar

from torch import Tensor, nn

from kdcore.outputs import Batch, Outputs, Shapes


class Method(nn.Module):
    """A published way of distilling. Returns one unweighted scalar; weight, temperature and schedule belong to the term.

    A subclass says in `needs` which outputs it reads, and takes its options as keyword arguments after the shapes.
    Projectors and memories are its parameters and buffers, so that the optimizer and the checkpoints find them.
    A pairing that cannot work is refused here, with a ValueError, before the first step.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})  # of logits, pooled, features, attention
    uses_teacher: ClassVar[bool] = True
    uses_temperature: ClassVar[bool] = False

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__()

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        raise NotImplementedError

    def layer_weights(self) -> Tensor | None:
        """How the teacher's layers shared the last loss, [L], where the method weighs layers."""
        return None
