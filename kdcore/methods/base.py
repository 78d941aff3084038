"""The base class of distillation methods, the card that describes one, and what several methods share."""

import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import torch
import torch.nn.functional as F
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.models.teacher import Teacher
from kdcore.plugins import Part
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

OUTPUTS = frozenset({"logits", "pooled", "features", "attention", "dense", "qkv"})  # that a method may need
MOST = 10_000_000  # no whole number among the options goes so far

# numbers that a method's options take; a recipe's values are checked against them
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e4)]
Factor = Annotated[float, Field(ge=0, le=1e6)]
Count = Annotated[int, Field(ge=1, le=100_000)]  # of images or steps
Width = Annotated[int, Field(ge=1, le=4096)]  # channels of a layer, whose weights grow with it
Side = Annotated[int, Field(ge=1, le=64)]  # places of a map along a side
Layers = Annotated[int, Field(ge=1, le=1000)]
Steps = Annotated[int, Field(ge=0, le=1_000_000)]  # between two events of a run; 0 for never


@dataclass(frozen=True)
class Card:
    """The description of a method for its users. The Methods page and docs/methods are made from it.

    title: its usual name.
    summary: one sentence: what the student learns to match.
    formula: LaTeX of the unweighted loss, with T for the teacher and S for the student.
    symbols: the letters of the formula except T, S and p (class probabilities), as one line of Markdown.
    paper: authors, venue, year. url: of the paper.
    weight: a weight to start from, for this reduction. temperature: likewise, where the method uses one.
    source: where these come from, and the setting they were tuned in.
    use: when it is the right choice. avoid: when it is not, or what to watch for.
    differs: how this differs from the authors' code or paper, where it does.
    compares: which outputs of the two networks; derived from `needs` unless given. `relations` are those between the
        images of a batch.
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
    differs: str = ""
    temperature: float | None = None
    compares: Literal["labels", "logits", "features", "attention", "relations"] | None = None


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
        card = getattr(cls, "card", None)
        if not isinstance(card, Card):
            raise UserError(f"{cls.__name__} has no `card`: describe the method with `card = Card(title=..., ...)`.")
        for field in ("title", "summary", "formula", "paper", "source", "use", "avoid"):
            if not getattr(card, field):
                raise UserError(
                    f"`{field}` of the card of {cls.__name__} is empty: write a sentence, which the pages show."
                )
        if not card.url.startswith("https://") or not card.weight > 0:
            raise UserError(
                f"The card of {cls.__name__} has the url {card.url!r} and the weight {card.weight}: the url should begin with "
                "https:// and the weight be above 0."
            )
        if (card.temperature is not None) != cls.uses_temperature:
            raise UserError(
                f"{cls.__name__} has `uses_temperature = {cls.uses_temperature}`, but its card the temperature {card.temperature}: "
                "give one exactly where `forward` uses it."
            )
        if unknown := sorted({*cls.needs, *cls.accepts_bfloat16} - OUTPUTS):
            raise UserError(f"{cls.__name__} needs {unknown[0]!r}; networks have {', '.join(sorted(OUTPUTS))}.")
        _check_options(cls)

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


def _check_options(method: type[Method]) -> None:
    """Refuse options that no recipe could give, and whole numbers without a limit. Raises UserError."""
    parameters = list(inspect.signature(method.__init__).parameters.values())[1:]
    if [each.kind is each.KEYWORD_ONLY for each in parameters] != [False, False] + [True] * (len(parameters) - 2):
        raise UserError(
            f"{method.__name__} takes ({', '.join(each.name for each in parameters)}): after the student's and the teacher's "
            "shapes come options by keyword alone, `(self, student, teacher, *, scale: Factor = 1.0)`."
        )
    hints = get_type_hints(method.__init__, include_extras=True)
    for option in parameters[2:]:
        if option.name not in hints or option.default is option.empty:
            raise UserError(
                f"The option {option.name!r} of {method.__name__} needs a type and a default, as in `{option.name}: Factor = 1.0`."
            )
        if type(option.default) is int and option.default >= 0 and _takes(hints[option.name], MOST):
            raise UserError(
                f"The option {option.name!r} of {method.__name__} is a whole number without a limit: give its range with `Count`, "
                "`Width`, `Side`, `Layers` or `Steps` of kdcore.methods.base."
            )


def _takes(hint: Any, value: int) -> bool:
    try:
        TypeAdapter(hint).validate_python(value)
    except ValidationError:
        return False
    return True


def pairs_by_depth(student: Shapes, teacher: Shapes, *, at_most: int = 4) -> list[tuple[int, int]]:
    """[student, teacher] indices of feature maps at equal depth, as many as both have, counted from the last.

    For a CNN its last stages, as the first is often only a stem; for a ViT evenly spaced blocks.
    """
    count = min(len(student.features), len(teacher.features), at_most)

    def chosen(shapes: Shapes) -> list[int]:
        layers = len(shapes.features)
        if shapes.tokens:
            return [(run + 1) * layers // count - 1 for run in range(count)]
        return list(range(layers - count, layers))

    return list(zip(chosen(student), chosen(teacher), strict=True))


def check_pairs(pairs: list[tuple[int, int]], student: Shapes, teacher: Shapes) -> list[tuple[int, int]]:
    """A recipe's [student, teacher] indices of feature maps, negative ones counted from the end. Raises UserError."""
    for pair in pairs:
        for index, who, shapes in zip(pair, ("student", "teacher"), (student, teacher), strict=True):
            count = len(shapes.features)
            if not -count <= index < count:
                raise UserError(
                    f"the {who} has {count} feature maps, so there is no number {index}: use 0 to {count - 1}, "
                    "or -1, -2, ... from the end."
                )
    return [(s % len(student.features), t % len(teacher.features)) for s, t in pairs]


def coarser_grid(one: Tensor, other: Tensor) -> tuple[int, int]:
    """The coarser grid [H, W] of two maps [B, C, H, W], to which both can be pooled."""
    return min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])


def mean_of_labelled(losses: Tensor, targets: Tensor) -> Tensor:
    """Mean of losses [B] over the images that have a label; zero (with a graph) where there are none."""
    labelled = targets != NO_LABEL
    return losses.where(labelled, 0).sum() / labelled.sum().clamp(min=1)


def without_target(logits: Tensor, targets: Tensor) -> Tensor:
    """The logits of all classes but the target, [B, K] -> [B, K - 1]. For an image without a label any one class is dropped."""
    columns = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, columns + (columns >= targets[:, None]).long())


def decoupled(student: Tensor, teacher: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """KL(teacher || student) of logits [B, K] in two parts, [B] each: the target against the rest, and the other classes
    among themselves (Zhao et al., CVPR 2022, https://arxiv.org/abs/2203.08679, equation 7)."""
    others = (
        F.log_softmax(without_target(student, targets), dim=1),
        F.log_softmax(without_target(teacher, targets), dim=1),
    )
    return _kl(_target_or_not(student, targets), _target_or_not(teacher, targets)), _kl(*others)


def _target_or_not(logits: Tensor, targets: Tensor) -> Tensor:
    """Log probabilities [B, 2] of the target and of the rest. Computing 1 - p would lose a rest below 1e-7."""
    target = logits.gather(1, targets.clamp(min=0)[:, None])
    rest = without_target(logits, targets).logsumexp(dim=1, keepdim=True)
    return F.log_softmax(torch.cat([target, rest], dim=1), dim=1)


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log probabilities [B, K], for each image, [B]."""
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] scaled to length 1. A zero vector stays zero, with a finite gradient."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.where(length > 1e-8, 1)
