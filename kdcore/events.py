"""Events of a run, as plain data in the past tense. A run's whole state is a replay of them.

The units are fractions, seconds and pixels. The store adds `time` when it writes an event.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

Numbers = dict[str, float]
Changes = dict[str, list[Any]]  # dotted setting -> [value before, value after]


@dataclass(frozen=True)
class Event:
    """Base of all events; each is one JSON line, `{"event": "StepEnded", "time": ..., ...}`."""

    def to_plain(self) -> dict[str, Any]:
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("stored", True)}
        return {"event": type(self).__name__, **plain}


@dataclass(frozen=True)
class Queued(Event):
    """The run waits until the current one ends."""


@dataclass(frozen=True)
class RunForked(Event):
    """The run continues from the exact state of another run. The first event of a fork."""

    step: int  # of the parent, after which the fork begins
    epoch: float
    parent: str  # the other run's id
    changed: Changes = field(default_factory=dict)
    knobs: Numbers = field(default_factory=dict)  # factors that a user had set in the parent by then


@dataclass(frozen=True)
class Noted(Event):
    """A message: progress of a download, preparation, or a warning."""

    text: str
    level: str = "info"  # info | warning


@dataclass(frozen=True)
class RunStarted(Event):
    """The parts are built and training begins, for a resumed run after `step`."""

    step: int
    steps: int  # of the whole run
    epochs: int
    device: str
    precision: str
    classes: tuple[str, ...]
    train_images: int
    labelled_images: int
    parameters: dict[str, int]  # teacher, student, training_only (projectors and the like)
    # its metrics on validation images; `seen`: how many it trained on; `milliseconds`: that an image takes
    teacher: Numbers = field(default_factory=dict)
    resumed: bool = False
    validation_images: int = 0
    test_images: int = 0


@dataclass(frozen=True)
class StepTaken(Event):
    """A step has ended. Never stored: commands are followed here, between two steps."""

    step: int


@dataclass(frozen=True)
class StepEnded(Event):
    """A logged step: its numbers were read from the device.

    indices: [n], of the batch's images in the training split. arrays: losses and predicted classes of each image, see
        `store.run_files.batches`, where both are stored.
    """

    step: int
    epoch: float  # finished epochs, with the fraction
    losses: dict[str, Numbers]  # network -> term (or "total") -> unweighted value; "total" is the weighted sum
    shares: Numbers  # term -> share of the student's total loss
    weights: Numbers
    temperatures: Numbers
    learning_rate: float
    images_per_second: float
    train_top1: Numbers  # network -> accuracy on the labelled images of this step
    indices: Any = field(default=None, metadata={"stored": False}, compare=False)
    arrays: dict[str, Any] = field(default_factory=dict, metadata={"stored": False}, compare=False)


@dataclass(frozen=True)
class LayersWeighted(Event):
    """A term's weights of the teacher's layers over the last epoch."""

    step: int
    epoch: float
    term: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class GradientsMeasured(Event):
    """The norm of each term's gradient in a step."""

    step: int
    epoch: float
    norms: Numbers  # term -> norm of its weighted gradient on the student's parameters, projectors left out
    shares: Numbers  # term -> share of the sum of these norms
    # terms that contributed less than 1 % for some time -> the weight at which they would contribute as much as the others
    idle: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class WeightAdapted(Event):
    """A term's weight was lowered, since a loss on the validation images no longer fell."""

    step: int
    epoch: float
    term: str
    factor: float  # on the weight of the recipe, after all changes so far
    reason: str


@dataclass(frozen=True)
class TermMeasured(Event):
    """Measurements of a term at the end of an epoch."""

    step: int
    epoch: float
    term: str
    figures: Numbers  # by name, or `NAME/LAYER` for each of the teacher's layers


@dataclass(frozen=True)
class Evaluated(Event):
    """Metrics of the networks on a split."""

    step: int
    epoch: float
    split: str
    metrics: dict[str, Numbers]  # network -> top1, nll, ece, count


@dataclass(frozen=True)
class SampleMeasured(Event):
    """Accuracy and loss of student and twin on a sample of the validation images; the same images throughout a run."""

    step: int
    epoch: float
    images: int  # in the sample
    figures: dict[str, Numbers]  # network -> top1, nll
    seconds: float  # that it took


@dataclass(frozen=True)
class RobustnessMeasured(Event):
    """Accuracy of the networks on perturbed validation images at the end of an epoch; the same images in all epochs.

    images: how many of each test set.
    accuracy: test set (`patch_scramble@4`) -> network -> accuracy.
    only: test set -> `student/twin` -> the number of images that only the first of the two predicts rightly.
    shape_bias: test set of conflicting cues -> network -> shape bias, where it is defined.
    """

    step: int
    epoch: float
    images: int
    accuracy: dict[str, Numbers]
    only: dict[str, Numbers]
    shape_bias: dict[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeTaken(Event):
    """Heatmaps of the pinned images. The arrays are stored beside the events, in `file`.

    arrays: float16 maps `teacher`, `student`, `twin` [n, H, W] that sum to 1 over H, W; probabilities `*_probabilities` [n, K];
        the first probe of a run also has `images` uint8 [n, H, W, 3] and `targets` [n].
    """

    step: int
    epoch: float
    seconds: float  # that it took
    file: str = ""
    arrays: dict[str, Any] = field(default_factory=dict, metadata={"stored": False}, compare=False)


@dataclass(frozen=True)
class CheckpointReady(Event):
    """The state for a checkpoint. Never stored as an event: the runner writes the file and reports CheckpointSaved."""

    step: int
    epoch: float
    state: dict[str, Any] = field(compare=False, repr=False)


@dataclass(frozen=True)
class CheckpointSaved(Event):
    step: int
    epoch: float
    file: str


@dataclass(frozen=True)
class KnobTurned(Event):
    """A setting was changed during the run."""

    step: int
    knob: str  # "learning_rate", "weight/TERM" or "temperature/TERM"
    factor: float  # on the value of the recipe
    values: Numbers = field(
        default_factory=dict
    )  # `old` and `new`, of the setting at this step; none in earlier versions
    by: str = ""  # the user's name, where it is known
    undo: bool = False  # it takes back the last change


@dataclass(frozen=True)
class RunPaused(Event):
    step: int


@dataclass(frozen=True)
class RunResumed(Event):
    step: int


@dataclass(frozen=True)
class RunFinished(Event):
    """The last step has ended and the test split was measured.

    results: network -> top1, low, high (95 % interval), correct, count, balanced_accuracy, nll, ece; with validation images
        also temperature (fitted to them) and ece_scaled (ece at that temperature); of student and twin, with a teacher, also
        kl (KL(teacher || network), nats) and error_consistency (Cohen's kappa with the teacher, where it is defined).
        With a twin, `difference` (student - twin, as fractions) -> top1, low, high, and the counts only_student, only_twin.
        With a teacher, `agreement` -> student, twin: the share of images on which it predicts the teacher's class.
    arrays: of each test image, in the order of the split: `targets` [n] and the predicted class of `student`, `twin` and
        `teacher` [n], whole numbers. They are stored beside the events, in `file`; earlier versions stored none.
    """

    step: int
    results: dict[str, Numbers]
    seconds: float
    file: str = ""
    arrays: dict[str, Any] = field(default_factory=dict, metadata={"stored": False}, compare=False)


@dataclass(frozen=True)
class RunStopped(Event):
    """A user stopped it; it can be resumed from its last checkpoint."""

    step: int
    reason: str


@dataclass(frozen=True)
class RunFailed(Event):
    """The run ended with an error: the reason as a sentence, and the traceback for a bug report."""

    reason: str
    traceback: str = ""


MEMORY_FULL = "The memory of "  # how the reason begins where a run ended because memory was full

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


def from_plain(plain: dict[str, Any]) -> Event:
    """The event of a stored line. Fields that this version does not know are skipped."""
    kind = KINDS[plain["event"]]
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: _frozen(value) for name, value in plain.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
