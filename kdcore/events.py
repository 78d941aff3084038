"""What happens in a run, in the past tense. Plain data: a run's whole state is folded from these.

The engine speaks in fractions, seconds and pixels. `time` is added by the store when an event is written.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

Numbers = dict[str, float]


@dataclass(frozen=True)
class Event:
    """Base of all events; each is one JSON line, `{"event": "StepEnded", "time": ..., ...}`."""

    def to_plain(self) -> dict[str, Any]:
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("stored", True)}
        return {"event": type(self).__name__, **plain}


@dataclass(frozen=True)
class Queued(Event):
    """The run waits for its device."""


@dataclass(frozen=True)
class Noted(Event):
    """Something worth a sentence: a download's progress, a warning, what is being prepared."""

    text: str
    level: str = "info"  # info | warning


@dataclass(frozen=True)
class RunStarted(Event):
    """The parts are built and the first step is next (or the next one after `step`, for a resumed run)."""

    step: int
    steps: int  # of the whole run
    epochs: int
    device: str
    precision: str
    classes: tuple[str, ...]
    train_images: int
    labelled_images: int
    parameters: dict[str, int]  # teacher, student, training_only (projectors and the like)
    teacher: Numbers = field(default_factory=dict)  # validation metrics of the teacher
    resumed: bool = False


@dataclass(frozen=True)
class StepTaken(Event):
    """A step is done. Never stored: the place between two steps where a command is taken."""

    step: int


@dataclass(frozen=True)
class StepEnded(Event):
    """A step whose numbers were read back from the device."""

    step: int
    epoch: float  # how many epochs are done, with the fraction
    losses: dict[str, Numbers]  # network -> term (or "total") -> unweighted value; "total" is the weighted sum
    shares: Numbers  # term -> share of the student's total loss
    weights: Numbers
    temperatures: Numbers
    learning_rate: float
    images_per_second: float
    train_top1: Numbers  # network -> share right among this step's labelled images


@dataclass(frozen=True)
class LayersWeighted(Event):
    """How a term shared its weight among the teacher's layers over the last epoch."""

    step: int
    epoch: float
    term: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class GradientsMeasured(Event):
    """How hard each term that counts pulled at the student in a step."""

    step: int
    epoch: float
    norms: Numbers  # term -> norm of its weighted gradient on the student's parameters, projectors left out
    shares: Numbers  # term -> share of the sum of these norms
    # terms under 1 % for a while -> the weight at which each would pull like the others
    idle: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class WeightAdapted(Event):
    """A term's weight fell, since a loss on the held-out images no longer did."""

    step: int
    epoch: float
    term: str
    factor: float  # on what the recipe says, all changes so far
    reason: str


@dataclass(frozen=True)
class TermMeasured(Event):
    """What a term says of itself at an epoch's end."""

    step: int
    epoch: float
    term: str
    figures: Numbers  # by name; `NAME/LAYER` where there is one for each of the teacher's layers


@dataclass(frozen=True)
class Evaluated(Event):
    """Metrics of the networks on a split."""

    step: int
    epoch: float
    split: str
    metrics: dict[str, Numbers]  # network -> top1, nll, ece, count


@dataclass(frozen=True)
class ProbeTaken(Event):
    """Maps of the pinned images. The arrays lie beside the events, in `file`.

    arrays: float16 maps `teacher`, `student`, `twin` [n, H, W] that sum to 1 over H, W; probabilities `*_probabilities` [n, K];
        the first probe of a run also has `images` uint8 [n, H, W, 3] and `targets` [n].
    """

    step: int
    epoch: float
    seconds: float  # what it cost
    file: str = ""
    arrays: dict[str, Any] = field(default_factory=dict, metadata={"stored": False}, compare=False)


@dataclass(frozen=True)
class CheckpointReady(Event):
    """The state of everything that learns. Never stored as an event: the runner writes it and says CheckpointSaved."""

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
    """A setting was changed while the run was on."""

    step: int
    knob: str  # "learning_rate" or "weight/TERM"
    factor: float  # on what the recipe says


@dataclass(frozen=True)
class RunPaused(Event):
    step: int


@dataclass(frozen=True)
class RunResumed(Event):
    step: int


@dataclass(frozen=True)
class RunFinished(Event):
    """The last step is done and the test split was measured.

    results: network -> top1, low, high (95 % interval), correct, count, nll, ece; and, with a twin, `difference`
        (student less twin, as fractions) -> top1, low, high, and the counts only_student, only_twin.
    """

    step: int
    results: dict[str, Numbers]
    seconds: float


@dataclass(frozen=True)
class RunStopped(Event):
    """Somebody stopped it; it can be resumed from its last checkpoint."""

    step: int
    reason: str


@dataclass(frozen=True)
class RunFailed(Event):
    """The run ended with an error: the reason in words, and the traceback for whoever mends it."""

    reason: str
    traceback: str = ""


KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


def from_plain(plain: dict[str, Any]) -> Event:
    """The event that a stored line says. Fields that this version does not know are left out."""
    kind = KINDS[plain["event"]]
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: _frozen(value) for name, value in plain.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
