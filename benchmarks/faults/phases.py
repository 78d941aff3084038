"""The phases of the work, and how each is seen from outside: by files and events in the folders, without a hook in the product."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import work
from benchmarks.faults.work import Work

Seen = Callable[[Path], bool]


@dataclass(frozen=True)
class Phase:
    """A moment to kill the work at.

    work: is started, killed, and started again. unbroken: the reference that the outcome is compared with.
    seen: whether the phase has begun; None: at any moment of the work. seconds: the kill comes within so many after that.
    """

    work: Work
    unbroken: str
    seen: Seen | None = None
    seconds: float = 0.02
    before: Work | None = None


def events(place: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (place / "runs").glob("*/events.jsonl"))


def noted(text: str) -> Seen:
    return lambda place: text.encode() in events(place)


def happened(event: str, times: int = 1) -> Seen:
    return lambda place: events(place).count(f'"event": "{event}"'.encode()) >= times


def exists(pattern: str) -> Seen:
    return lambda place: any(place.glob(pattern))


PHASES: dict[str, Phase] = {
    "start": Phase(work.train_on_a_folder, "folder", exists("runs/*"), 0.01),
    "decoding": Phase(work.train_on_a_folder, "folder", exists("data/decoded/*"), 0.15),
    "drawing": Phase(work.train_on_drawn_images, "cues", noted("Loading the data"), 0.15),
    "fine-tuning": Phase(work.train_on_a_folder, "folder", noted("Fine-tuning the teacher"), 0.4),
    "storing the teacher": Phase(work.train_on_a_folder, "folder", exists("data/teachers/*"), 0.01),
    "filling the cache": Phase(work.train_on_a_folder, "folder", noted("Teacher outputs are cached"), 0.2),
    "step": Phase(work.train_on_drawn_images, "cues", happened("StepEnded"), 0.4),
    "checkpoint": Phase(work.train_on_a_folder, "folder", exists("runs/*/checkpoints/.*.half"), 0.004),
    "checkpoint of drawn images": Phase(
        work.train_on_drawn_images, "cues", exists("runs/*/checkpoints/.*.half"), 0.004
    ),
    "after a checkpoint": Phase(work.train_on_a_folder, "folder", happened("CheckpointSaved", 2), 0.3),
    "evaluation": Phase(work.train_on_drawn_images, "cues", happened("CheckpointSaved", 6), 0.05),
    "study": Phase(work.run_study, "study", exists("runs/studies/*"), 2.0),
    "import": Phase(work.import_weights, "import", None, before=work.with_a_checkpoint),
    "export": Phase(work.export, "export", None, before=work.with_a_finished_run),
    "deletion": Phase(work.delete, "delete", None, before=work.with_a_finished_run),
    "any moment": Phase(work.train_on_a_folder, "folder", None),
}
