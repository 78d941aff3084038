"""One run's way through the process: it is built, driven step by step, told to the store, and obeys between two steps."""

import contextlib
import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from kdcore.errors import UserError
from kdcore.events import (
    CheckpointReady,
    CheckpointSaved,
    Event,
    KnobTurned,
    Noted,
    Queued,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopped,
    StepTaken,
)
from kdcore.files import disk
from kdcore.recipe import Recipe
from kdcore.runner import snapshots
from kdcore.setup.build import assemble
from kdcore.store import Store, checkpoint, in_one_line
from kdcore.training.loop import train
from kdcore.training.state import Parts

KEPT_CHECKPOINTS = 3
DAMAGED = ".damaged"  # what a checkpoint that cannot be read is called from then on
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    OSError,
)  # what a damaged checkpoint ends in
Listener = Callable[[str, Event], None]


class Job:
    """A run that this process works on or will work on.

    Commands come from any thread and are taken between two steps. `work` and what it calls belong to the worker's thread.
    """

    def __init__(self, run_id: str, recipe: Recipe, store: Store, *, resume: bool, listener: Listener) -> None:
        """
        Args:
            recipe: with one seed.
            resume: begin at the run's last checkpoint, where it has one.

        Raises:
            ValueError: another process writes the run.
        """
        self.run_id = run_id
        self.done = threading.Event()
        self._recipe, self._store, self._resume, self._listener = recipe, store, resume, listener
        self._open = ExitStack()
        self._writer = self._open.enter_context(store.writer(run_id))  # from now on, so that the run counts as alive
        self._parts: Parts | None = None
        self._knobs: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        self._paused, self._stopped = threading.Event(), threading.Event()
        self._wake = threading.Event()  # set by every command, so that a pause ends at once
        self._reason = ""

    def turn(self, knob: str, factor: float) -> None:
        self._knobs.put((knob, factor))
        self._wake.set()

    def pause(self) -> None:
        self._paused.set()
        self._wake.set()

    def unpause(self) -> None:
        self._paused.clear()
        self._wake.set()

    def stop(self, reason: str) -> None:
        self._reason = reason
        self._stopped.set()
        self._wake.set()

    def queued(self) -> None:
        """Say that the run waits for its turn."""
        self._tell(Queued())

    def work(self, device: torch.device) -> None:
        """Drive the run until it finishes, is stopped or fails."""
        try:
            self._drive(device)
        except Exception as error:  # the thread must live on for the next run, and this one must say why it ended
            self._fail(_in_words(error, device, self._writer.folder), traceback.format_exc())

    def release(self) -> None:
        """Let go of the run's files and of what it was made of. Never raises."""
        self._parts = None
        self._open.close()  # of the writer, which raises nothing

    def _fail(self, reason: str, trace: str) -> None:
        """Write why the run ended; without the traceback where the disk has no room for it, and where it takes nothing at all
        this process remembers it."""
        for told in (trace, ""):
            with contextlib.suppress(OSError):
                self._writer.append(RunFailed(reason, told))
                break
        else:
            self._store.remember_failure(self.run_id, reason, trace)
        self._listener(self.run_id, RunFailed(reason, trace))

    def _drive(self, device: torch.device) -> None:
        if self._stopped.is_set():
            self._tell(RunStopped(self._store.state(self.run_id).step, self._reason))
            return
        for event in self._events(device):
            match event:
                case CheckpointReady():
                    self._save(event)
                case StepTaken():
                    pass
                case _:
                    self._tell(event)
            if isinstance(event, RunStarted) and self._parts:
                snapshots.begin(self._parts, self._writer)
            if isinstance(event, (StepTaken, Noted)) and not self._obey():
                return

    def _events(self, device: torch.device) -> Iterator[Event]:
        (seed,) = self._recipe.seeds
        teacher_file = self._store.folder(self.run_id) / "teacher.safetensors"
        parts = yield from assemble(self._recipe, seed=seed, device=device, runs=self._store, teacher_file=teacher_file)
        if self._resume:
            yield from self._restored(parts)
        self._parts = parts
        yield from train(parts)

    def _restored(self, parts: Parts) -> Iterator[Event]:
        """Put the newest checkpoint that can be read back into the parts. One that cannot is set aside, so that it is neither
        counted nor taken for the one that the run will write at that step again.

        Raises:
            ValueError: there are checkpoints, and none can be read.
        """
        found = self._store.checkpoints(self.run_id)
        damaged: list[Path] = []
        for path in found:
            try:
                state = checkpoint.load(path)
                parts.load_state(state)
            except UNREADABLE as error:
                damaged.append(path)
                yield Noted(
                    f"The checkpoint {path.name} is damaged and is left out: {in_one_line(str(error))}", "warning"
                )
                continue
            for broken in damaged:
                broken.rename(broken.with_suffix(DAMAGED))
            before = ", the one before it" if len(damaged) == 1 else f", {len(damaged)} before the newest"
            yield Noted(f"Resuming from {path.name}{before if damaged else ''}.", "warning" if damaged else "info")
            return
        if found:
            raise UserError(
                f"None of this run's checkpoints can be read ({', '.join(path.name for path in found)}), so it cannot be "
                f"resumed. Start a new run with its recipe: its curves so far stay here."
            )

    def _obey(self) -> bool:
        """Take the commands that came since the last step. False: the run is to end here."""
        while not self._knobs.empty():
            knob, factor = self._knobs.get()
            if self._parts:
                self._parts.knobs[knob] = factor
                self._tell(KnobTurned(self._parts.step, knob, factor))
        if self._paused.is_set() and not self._stopped.is_set() and self._parts:
            self._hold(self._parts)
        if self._stopped.is_set():
            self._checkpoint_now()
            self._tell(RunStopped(self._parts.step if self._parts else 0, self._reason))
            return False
        return True

    def _hold(self, parts: Parts) -> None:
        """Wait until the run may go on or has to stop."""
        self._checkpoint_now()
        self._tell(RunPaused(parts.step))
        while self._paused.is_set() and not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
        if not self._stopped.is_set():
            self._tell(RunResumed(parts.step))

    def _checkpoint_now(self) -> None:
        parts = self._parts
        if parts and parts.step and not self._writer.checkpoint_path(parts.step).is_file():
            self._save(CheckpointReady(parts.step, parts.epoch, parts.state()))

    def _save(self, ready: CheckpointReady) -> None:
        assert self._parts is not None
        path = self._writer.checkpoint_path(ready.step)
        described = {name: model.description() for name, model in self._parts.models.items()}
        checkpoint.save(ready.state, path, description=described)
        self._tell(CheckpointSaved(ready.step, ready.epoch, f"checkpoints/{path.name}"))
        _keep_newest(path.parent)
        snapshots.keep(self._parts, self._writer)

    def _tell(self, event: Event) -> None:
        self._writer.append(event)
        self._listener(self.run_id, event)


def _keep_newest(folder: Path) -> None:
    for old in sorted(folder.glob("*.safetensors"))[:-KEPT_CHECKPOINTS]:
        old.unlink()


def _in_words(error: Exception, device: torch.device, folder: Path) -> str:
    """The reason for whoever watches: our own messages as they are, the usual accidents explained."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return (
            f"The memory of {device} is full. A smaller data.batch_size or image_size, or a smaller model, needs less."
        )
    if words := disk.trouble(error, folder):
        return words
    if isinstance(error, (ValueError, FloatingPointError)):
        return str(error)
    return f"Something unexpected went wrong ({type(error).__name__}: {error}). The traceback below says where."
