"""What every distillation method is: a module that compares what the student and the teacher say of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from kdcore.outputs import Batch, Outputs, Shapes
from kdcore.teacher import Teacher


@dataclass(frozen=True)
class Card:
    """What a person should know of a method before using it. The Methods page and docs/methods are made from it.

    title: its name as the field says it.
    summary: one sentence: what the student is asked to do.
    formula: LaTeX of the unweighted loss, with T for the teacher and S for the student.
    symbols: the letters of the formula but T, S and p (class probabilities), as one line of Markdown.
    paper: authors, venue, year. url: where to read it.
    weight: a weight to start from, tuned with this reduction. temperature: likewise, where it has one.
    source: where these come from, and what they were tuned with.
    use: when it is the right choice. avoid: when it is not, or what to watch for.
    """

    title: str
    summary: str
    formula: str
    symbols: str
    paper: str
    url: str
    weight: float
    source: str
    use: str
    avoid: str
    temperature: float | None = None


class Method(nn.Module):
    """A published way of distilling. Returns one unweighted scalar; weight, temperature and schedule belong to the term.

    A subclass has a `card`, says in `needs` which outputs it reads, and takes its options as keyword arguments after the
    shapes. Projectors and memories are its parameters and buffers, so that the optimizer and the checkpoints find them.
    A pairing that cannot work is refused in the constructor, with a ValueError, before the first step.
    """

    card: ClassVar[Card]
    needs: ClassVar[frozenset[str]] = frozenset({"logits"})  # of logits, pooled, features, attention, dense, qkv
    uses_teacher: ClassVar[bool] = True
    uses_temperature: ClassVar[bool] = False
    has_views: ClassVar[bool] = False  # whether it asks for further views of the batch, see `views`

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__()

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        raise NotImplementedError

    def see_data(self, targets: Tensor) -> None:
        """Called once before the optimizer is made, with the training split's targets [n], in the order that
        `Batch.indices` counts in; `NO_LABEL` where one is withheld. Memories are sized here."""

    def prepare(self, teacher: Teacher, batches: Iterator[Batch]) -> Iterator[str]:
        """What is to be learned of the teacher alone before the first step of a run; not called when a run is resumed.

        Args:
            batches: training batches without end, augmented like the run's.

        Yields:
            a sentence now and then; the run can be stopped there.
        """
        return iter(())

    def views(self, images: Tensor) -> Tensor:
        """Further views of a batch [B, 3, H, W] -> [E, 3, H, W], which both networks see in the same forward; what they
        say of them is `student.views` and `teacher.views`. Only called where `has_views` is set."""
        raise NotImplementedError

    def warnings(self) -> tuple[str, ...]:
        """What a person should hear before this run: a degenerate case, an untested pairing."""
        return ()

    def layer_weights(self) -> Tensor | None:
        """How the teacher's layers shared the last loss, [L], where the method weighs layers."""
        return None

    def figures(self) -> dict[str, float]:
        """Numbers of the last forward that are worth following, such as a feature similarity."""
        return {}
