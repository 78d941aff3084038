"""The base class of distillation methods: what each computes, and what it declares for the other packages."""

from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar

from torch import Tensor, nn

from kdcore.methods.base import declarations
from kdcore.methods.base.card import Card
from kdcore.models.teacher import Teacher
from kdcore.plugins import Part
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes


class Method(nn.Module, Part):
    """A published way of distilling. Returns one unweighted scalar; weight, temperature and schedule belong to the term.

    A subclass has a `card`, names in `needs` the outputs it uses, and takes its options as keyword arguments after the
    shapes. Projectors and memories are its parameters and buffers, so that the optimizer and the checkpoints find them.
    A pairing that cannot work is refused in the constructor, with a UserError, before the first step.

    Whatever another package needs of a method is declared here, so that no other package names methods:

    needs: outputs of both networks that `forward` uses, of logits, pooled, features, attention, dense and qkv.
    accepts_bfloat16: those of them that it takes in bfloat16 where a network computes in it; others are cast to float32.
    uses_teacher, uses_temperature: whether `forward` does.
    needs_labels: whether an image whose label is withheld counts for nothing.
    refuses_mixed: why it cannot use mixed images (mixup, CutMix), each with two labels: a clause after "since"; empty: it can.
        None: it can unless it needs labels. One that reads `Batch.targets` reads `other_targets` and `share` too, or refuses.
    soft_labels: whether it divides the teacher's logits, as they are, by its temperature; see `softens`.
    summed_over_classes: whether the loss is a sum over the classes times temperature^2, which other code often averages
        or leaves unscaled, so that its weights mean something else.
    two_classes: what becomes of the loss with only two classes, where that is little: a clause after "with two classes".
    has_views: whether it needs further views of the batch, see `views`.
    """

    part_kind = "method"
    card: ClassVar[Card]
    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    accepts_bfloat16: ClassVar[frozenset[str]] = frozenset()
    uses_teacher: ClassVar[bool] = True
    uses_temperature: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False
    refuses_mixed: ClassVar[str | None] = None
    soft_labels: ClassVar[bool] = False
    summed_over_classes: ClassVar[bool] = False
    two_classes: ClassVar[str] = ""
    has_views: ClassVar[bool] = False

    def __init__(self, student: Shapes, teacher: Shapes | None) -> None:
        super().__init__()
        self._warnings = [f"with two classes {self.two_classes}"] if self.two_classes and student.classes == 2 else []
        self._data_warnings: list[str] = []

    @classmethod
    def taken_names(cls) -> Collection[str]:
        from kdcore import methods

        return {"base", *methods.own_names()}

    @classmethod
    def check_part(cls, module: ModuleType) -> None:
        """Refuse a card, needs and options that are incomplete or do not fit each other. Raises UserError."""
        declarations.check(cls, Method)

    @classmethod
    def softens(cls, options: Mapping[str, Any]) -> bool:
        """Whether a term with these options divides the teacher's logits, as they are, by its temperature."""
        return cls.soft_labels

    @classmethod
    def label_smoothing(cls, options: Mapping[str, Any]) -> float:
        """The share of each label that a term with these options spreads over all classes."""
        return 0.0

    @classmethod
    def why_not_mixed(cls) -> str:
        """Why it cannot use mixed images, a clause; empty where it can."""
        if cls.refuses_mixed is not None:
            return cls.refuses_mixed
        return "it needs a single label for each image" if cls.needs_labels else ""

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        raise NotImplementedError

    def see_data(self, targets: Tensor) -> None:
        """Called before the optimizer is made, with the training split's targets [n], in the order of `Batch.indices`;
        `NO_LABEL` where one is withheld. Memory banks are sized here."""
        self._data_warnings = []
        labelled, images = int((targets != NO_LABEL).sum()), len(targets)
        if self.needs_labels and self.uses_teacher and labelled < images:
            self._data_warnings.append(
                f"it needs labels, and only {labelled} of {images} training images have one; the others count for nothing "
                "here. kd learns from all of them."
            )

    def prepare(self, teacher: Teacher, batches: Iterator[Batch]) -> Iterator[str]:
        """Whatever is trained on the teacher alone before the first step of a run; not called when a run is resumed.

        Args:
            batches: training batches without end, augmented like the run's.

        Yields:
            sentences on the progress; the run can be stopped there.
        """
        return iter(())

    def views(self, images: Tensor) -> Tensor:
        """Further views of a batch [B, 3, H, W] -> [E, 3, H, W], which go through both networks in the same forward; the
        outputs are `student.views` and `teacher.views`. Only called where `has_views` is set."""
        raise NotImplementedError

    def warnings(self) -> tuple[str, ...]:
        """Sentences that a user should read before this run: a degenerate case, an untested pairing."""
        return (*self._warnings, *self._data_warnings)

    def epoch_ended(self, epoch: int) -> Iterator[str]:
        """Called after each epoch (1-based), sometimes twice for the same one after a resume.

        Yields:
            a sentence for each change.
        """
        return iter(())

    def used_outputs(self) -> frozenset[OutputPart]:
        """The teacher outputs that `forward` uses, so that only these are cached on disk; all of `needs` unless overridden.
        Called once, after `prepare`."""
        return frozenset(OutputPart(name) for name in self.needs)

    def is_mean_over_images(self) -> bool:
        """Whether the loss is the mean of one loss for each image, whatever the others are, apart from BatchNorm. Several processes
        then compute it on their own images each; otherwise all of them compute it on the outputs for the whole batch, which is
        right for every loss, but takes time and memory where these are large maps."""
        return False

    def layer_weights(self) -> Tensor | None:
        """The weights of the teacher's layers in the last loss, [L], where the method weights layers."""
        return None

    def figures(self) -> dict[str, float]:
        """Numbers of the last forward that are logged at the end of each epoch, such as a feature similarity;
        `NAME/LAYER` where there is one for each of the teacher's layers."""
        return {}
