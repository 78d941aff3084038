"""What every distillation method is: a module that compares what the student and the teacher say of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.models.teacher import Teacher
from kdcore.tensors.fields import Read
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes


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
    compares: what of the two networks; told from what the method needs unless said. `relations` are those of images
        to each other, which no single output shows.
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
    compares: Literal["labels", "logits", "features", "attention", "relations"] | None = None


class Method(nn.Module):
    """A published way of distilling. Returns one unweighted scalar; weight, temperature and schedule belong to the term.

    A subclass has a `card`, says in `needs` which outputs it reads, and takes its options as keyword arguments after the
    shapes. Projectors and memories are its parameters and buffers, so that the optimizer and the checkpoints find them.
    A pairing that cannot work is refused in the constructor, with a ValueError, before the first step.
    """

    card: ClassVar[Card]
    needs: ClassVar[frozenset[str]] = frozenset({"logits"})  # of logits, pooled, features, attention, dense, qkv
    narrow: ClassVar[frozenset[str]] = frozenset()  # of these, what it takes in bfloat16 where a network computes in it
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

    def epoch_ended(self, epoch: int) -> Iterator[str]:
        """Called after each epoch (1-based), for what a method does now and then; perhaps twice for the same one.

        Yields:
            a sentence where something changed.
        """
        return iter(())

    def reads(self) -> frozenset[Read]:
        """What `forward` looks at of the teacher's answer, so that no more of it is kept on disk; all of `needs` unless said.
        Asked once, after `prepare`."""
        return frozenset(Read(name) for name in self.needs)

    def layer_weights(self) -> Tensor | None:
        """How the teacher's layers shared the last loss, [L], where the method weighs layers."""
        return None

    def figures(self) -> dict[str, float]:
        """Numbers of the last forward that are worth following, such as a feature similarity. Asked for at each epoch's end;
        `NAME/LAYER` where there is one for each of the teacher's layers."""
        return {}


def pairs_by_depth(student: Shapes, teacher: Shapes, *, at_most: int = 4) -> list[tuple[int, int]]:
    """[student, teacher] indices of feature maps at equal depth, as many as both have, the last with the last.

    Of a CNN its last stages, since the first is often a mere stem; of a ViT the blocks at the ends of equal runs.
    """
    count = min(len(student.features), len(teacher.features), at_most)

    def chosen(shapes: Shapes) -> list[int]:
        layers = len(shapes.features)
        if shapes.tokens:
            return [(run + 1) * layers // count - 1 for run in range(count)]
        return list(range(layers - count, layers))

    return list(zip(chosen(student), chosen(teacher), strict=True))


def check_pairs(pairs: list[tuple[int, int]], student: Shapes, teacher: Shapes) -> list[tuple[int, int]]:
    """A recipe's [student, teacher] indices of feature maps, negative ones counted from the end. Raises ValueError."""
    for pair in pairs:
        for index, who, shapes in zip(pair, ("student", "teacher"), (student, teacher), strict=True):
            count = len(shapes.features)
            if not -count <= index < count:
                raise UserError(
                    f"the {who} has {count} feature maps, so there is no number {index}: take one from 0 to {count - 1}, "
                    "or count from the end with -1, -2, ..."
                )
    return [(ours % len(student.features), theirs % len(teacher.features)) for ours, theirs in pairs]


def coarser_grid(one: Tensor, other: Tensor) -> tuple[int, int]:
    """The grid [H, W] to which two maps [B, C, H, W] can both be pooled."""
    return min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])


def mean_of_labelled(losses: Tensor, targets: Tensor) -> Tensor:
    """Mean of losses [B] over the images that have a label; zero (with a graph) where none has."""
    labelled = targets != NO_LABEL
    return losses.where(labelled, 0).sum() / labelled.sum().clamp(min=1)


def without_target(logits: Tensor, targets: Tensor) -> Tensor:
    """The logits of all classes but the target, [B, K] -> [B, K - 1]. An image without a label loses any one of them."""
    places = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, places + (places >= targets[:, None]).long())


def decoupled(student: Tensor, teacher: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """KL(teacher || student) of logits [B, K] in two parts, [B] each: the target against all the rest, and the other classes
    among themselves (Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679, equation 7)."""
    others = (
        F.log_softmax(without_target(student, targets), dim=1),
        F.log_softmax(without_target(teacher, targets), dim=1),
    )
    return _kl(_target_or_not(student, targets), _target_or_not(teacher, targets)), _kl(*others)


def _target_or_not(logits: Tensor, targets: Tensor) -> Tensor:
    """Log probabilities [B, 2] of the target and of all the rest. 1 - p would lose a rest below 1e-7."""
    target = logits.gather(1, targets.clamp(min=0)[:, None])
    rest = without_target(logits, targets).logsumexp(dim=1, keepdim=True)
    return F.log_softmax(torch.cat([target, rest], dim=1), dim=1)


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log probabilities [B, K], an image each."""
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] brought to length 1. One of length 0 stays so, and its gradient stays finite."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.where(length > 1e-8, 1)


def told_of_withheld_labels(targets: Tensor) -> tuple[str, ...]:
    """What to say of a method that learns from labelled images alone, given the training split's targets [n]."""
    labelled, images = int((targets != NO_LABEL).sum()), len(targets)
    if labelled == images:
        return ()
    return (
        f"it needs labels, and only {labelled} of {images} training images have one; the others count for nothing here. "
        "kd learns from all of them.",
    )
