"""The state of a run, replayed from its events."""

from dataclasses import dataclass, field
from typing import Any

from kdcore.recipe import Recipe
from kdcore.results.comparison import Outcome
from kdcore.store.replay.adjustments import as_schedules
from kdcore.store.run_files.labels import Label

ENDS = {"RunFinished": "finished", "RunStopped": "stopped", "RunFailed": "failed"}
ACTIVE = ("queued", "preparing", "running", "paused")  # a process trains the run, or has queued it
RESUMABLE = ("stopped", "failed", "interrupted")
LONGEST_WORDS = 300  # characters of a message that is to be one line


def in_one_line(text: str) -> str:
    """A message without line breaks, and shortened where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_WORDS else flat[: LONGEST_WORDS - 2].rstrip() + " …"


@dataclass(frozen=True)
class RunState:
    """The state of a run, replayed from its events."""

    id: str
    name: str
    status: str = "created"  # one of ACTIVE or RESUMABLE, created, finished, damaged (nothing of it can be read)
    created: float = 0.0  # seconds since 1970
    updated: float = 0.0
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    epochs: int = 0
    device: str = ""
    classes: tuple[str, ...] = ()
    train_images: int = 0
    labelled_images: int = 0
    parameters: dict[str, int] = field(default_factory=dict)
    images_per_second: float = 0.0
    teacher: dict[str, float] = field(default_factory=dict)
    latest: dict[str, dict[str, float]] = field(default_factory=dict)  # network -> last validation metrics
    sample_images: int = 0  # of the validation sample that is measured between epochs; 0 where there is none
    sample: dict[str, dict[str, float]] = field(default_factory=dict)  # network -> its last metrics on the sample
    results: dict[str, dict[str, float]] = field(default_factory=dict)  # as in RunFinished
    test_file: str = ""  # of the test images' targets and predicted classes; empty where none were stored
    probes: tuple[dict[str, Any], ...] = ()  # step, epoch, file
    checkpoints: tuple[dict[str, Any], ...] = ()  # step, epoch, file
    layer_weights: tuple[dict[str, Any], ...] = ()  # step, epoch, term, weights
    gradients: tuple[dict[str, Any], ...] = ()  # the last few: step, epoch, norms, shares, idle
    adaptations: tuple[dict[str, Any], ...] = ()  # step, epoch, term, factor, reason
    robustness: tuple[dict[str, Any], ...] = ()  # the newest: step, epoch, images, accuracy, only, shape_bias
    parent: str = ""  # the run that it was forked from
    forked_at: int = 0  # the step of the parent after which it begins
    forked_epoch: float = 0.0
    fork_changes: dict[str, list[Any]] = field(
        default_factory=dict
    )  # dotted setting -> [the parent's value, this run's]
    notes: tuple[dict[str, Any], ...] = ()  # time, text, level
    reason: str = ""  # why it stopped or failed
    traceback: str = ""
    knobs: dict[str, float] = field(
        default_factory=dict
    )  # knob -> factor on the recipe's value, where one was ever turned
    values: dict[str, float] = field(
        default_factory=dict
    )  # knob -> the setting's value in use; from the first logged step on
    knob_changes: tuple[dict[str, Any], ...] = ()  # by users, the last ones, see `store.replay.adjustments`
    undoable: dict[str, Any] = field(default_factory=dict)  # what an undo would change: knob, factor, words
    active_seconds: float = 0.0  # between starts and ends, pauses included
    began: float = 0.0  # when it was last started or resumed
    seconds_left: float | None = None  # as of the last event, see `store.pace`
    recorded: bool = False  # a recording that comes with the project
    settings: dict[str, Any] = field(default_factory=dict)  # of the recipe, see `recipe.settings`; empty if unreadable
    label: Label = field(default_factory=Label)  # what a user wrote about the run; `name` is already the label's
    original_name: str = ""  # the recipe's name, where a user gave another one
    damage: str = ""  # what of its folder cannot be read, as a sentence; the rest of the state is still valid

    @property
    def outcome(self) -> Outcome:
        """The results for comparisons, without those of single images and without what the recipe decides."""
        turned = tuple(knob.replace("_", " ").replace("/", " of ") for knob in self.knobs)
        return Outcome(self.results, turned=(*turned, *self.fork_changes))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Each warning of the run once, such as one of a teacher that was trained on its test images, or of a damaged checkpoint."""
        return tuple(dict.fromkeys(note["text"] for note in self.notes if note["level"] == "warning"))

    def recipe_with_changes(self, recipe: Recipe) -> Recipe:
        """The run's recipe with what users changed meanwhile as schedules. Raises UserError where that cannot be done."""
        return as_schedules(recipe, self.knob_changes, self.knobs, self.steps / self.epochs if self.epochs else 1)

    @property
    def progress(self) -> float:
        return self.step / self.steps if self.steps else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Time to the end of a running run at its recent speed, evaluations included; None where it is not known yet."""
        return self.seconds_left if self.status == "running" else None
