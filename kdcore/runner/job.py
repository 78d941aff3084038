"""One run in the training thread: its parts are built, its events stored, and commands followed between two steps.

A job advances step by step, so that the thread can train several runs in turns.
"""

import contextlib
import enum
import os
import queue
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch

from kdcore import errors
from kdcore.data import datasets
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
from kdcore.runner.companions import Companions
from kdcore.runtime import interruption, memory_full
from kdcore.setup import environment
from kdcore.setup.build import build_parts
from kdcore.store import Store, in_one_line
from kdcore.store.run_files import checkpoint
from kdcore.training.loop import train
from kdcore.training.state import Parts

DAMAGED = ".damaged"  # suffix that a checkpoint gets when it cannot be read
# raised on a damaged checkpoint, by safetensors, by `load_state_dict` and by our own reading
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError)
Listener = Callable[[str, Event], None]


class Turn(enum.Enum):
    """What a job did in its turn: a step or a part of its preparation; nothing, since it is paused; or its last one."""

    WORKED = "worked"
    IDLE = "idle"
    ENDED = "ended"


class Adjustment(NamedTuple):
    """A user's change of knobs, to be made between two steps.

    settings: gives each knob's new factor, at that moment.
    """

    settings: Callable[[], list[tuple[str, float]]]
    by: str
    undo: bool


class Job:
    """A run that this process trains or will train.

    Commands may be given from any thread and are followed between two steps. `advance` belongs to the training thread.
    """

    def __init__(
        self,
        run_id: str,
        recipe: Recipe,
        store: Store,
        *,
        resume: bool,
        listener: Listener,
        family: str = "",
        companions: Companions | None = None,
    ) -> None:
        """
        Args:
            recipe: with one seed.
            resume: continue from the run's last checkpoint, where it has one.
            listener: called with the run's id and each event, after it is stored.
            family: the run that this one was forked from, directly or by others; the run itself where it was not forked.
            companions: other processes that train the run too.

        Raises:
            UserError: another process writes the run.
        """
        self.run_id = run_id
        self.family = family or run_id
        self.done = threading.Event()
        self.on_command: Callable[[], None] = lambda: None  # called after every command
        self._recipe, self._store, self._resume, self._listener = recipe, store, resume, listener
        self._companions = companions
        self._resources = ExitStack()
        self._writer = self._resources.enter_context(
            store.writer(run_id)
        )  # already here, so that the run counts as alive
        self._parts: Parts | None = None
        self._turns: Iterator[Turn] | None = None
        self._adjustments: queue.SimpleQueue[Adjustment] = queue.SimpleQueue()
        self._saves: queue.SimpleQueue[Future[int]] = queue.SimpleQueue()  # checkpoints that were asked for
        self._paused, self._stopped = threading.Event(), threading.Event()
        self._claimed = threading.Lock()  # taken once, by the thread that runs the job
        self._reason = ""

    def set_knob(self, knob: str, factor: float, by: str) -> None:
        self._adjust(lambda: [(knob, factor)], by)

    def reset_knobs(self, by: str) -> None:
        """Set every knob that was turned back to the recipe's value."""
        self._adjust(
            lambda: [(knob, 1.0) for knob, now in self._store.state(self.run_id).knobs.items() if now != 1], by
        )

    def undo_knob(self, by: str) -> None:
        """Take back the last change."""

        def last() -> list[tuple[str, float]]:
            found = self._store.state(self.run_id).undoable
            return [(found["knob"], found["factor"])] if found else []

        self._adjust(last, by, undo=True)

    def _adjust(self, settings: Callable[[], list[tuple[str, float]]], by: str, *, undo: bool = False) -> None:
        self._adjustments.put(Adjustment(settings, by, undo))
        self.on_command()

    def pause(self) -> None:
        self._paused.set()
        self.on_command()

    def unpause(self) -> None:
        self._paused.clear()
        self.on_command()

    def stop(self, reason: str) -> None:
        self._reason = reason
        self._stopped.set()
        self.on_command()

    def save_checkpoint(self) -> "Future[int]":
        """Ask for a checkpoint after the current step; its step is the future's result.

        The future raises UserError where the run has not taken a step, or ends before it is saved.
        """
        asked: Future[int] = Future()
        self._saves.put(asked)
        self.on_command()
        if self.done.is_set():
            self._refuse_saves()
        return asked

    def claim(self) -> bool:
        """Take the job, to run it in this thread. False where another thread has taken it."""
        return self._claimed.acquire(blocking=False)

    def report_queued(self) -> None:
        """Store that the run waits for its turn. Raises OSError."""
        self._report(Queued())

    def advance(self, device: torch.device) -> Turn:
        """Train to the end of the next step, or prepare a part of the run. Call it in the thread that has claimed the job."""
        if self._turns is None:
            self._turns = self._run(device)
        with interruption.interruptible(self._stopped.is_set):
            return next(self._turns, Turn.ENDED)

    def _run(self, device: torch.device) -> Iterator[Turn]:
        try:
            yield from self._train(device)
            if self._companions:
                self._companions.end_run()
        except Exception as error:  # the thread goes on with the next run
            trace = traceback.format_exc()
            self._parts = None  # a full memory has room again for what follows
            lost = self._companions.abandon(error) if self._companions else ""
            self._report_failure(lost or _reason(error, device, self._recipe, self._writer.folder), trace)

    def release(self) -> None:
        """Close the run's files and free its parts. Never raises."""
        self._parts = self._turns = None
        self._resources.close()
        self._refuse_saves()

    def _report_failure(self, reason: str, trace: str) -> None:
        """Store why the run ended: without the traceback on a nearly full disk, and in this process's memory on a full one."""
        for stored in (trace, ""):
            with contextlib.suppress(OSError):
                self._writer.append(RunFailed(reason, stored))
                break
        else:
            self._store.remember_failure(self.run_id, reason, trace)
        self._listener(self.run_id, RunFailed(reason, trace))

    def _lost(self, reason: str) -> None:
        """Another process has ended, and this one waits for it on a GPU: end the program. Called in a thread of its own."""
        self._report_failure(reason, "")
        os._exit(1)

    def _train(self, device: torch.device) -> Iterator[Turn]:
        try:
            interruption.check()  # it was stopped while it was queued
            for event in self._events(device):
                self._take(event)
                if isinstance(event, StepTaken) or (isinstance(event, Noted) and not self._together):
                    if self._together and self._companions:
                        self._companions.check()  # a scheduler's signal to stop may only follow from that
                    if not (yield from self._follow_commands()):
                        return
                    if self._together and self._companions and self._parts:
                        self._companions.step(self._parts)
                    yield Turn.WORKED
        except interruption.Interrupted:
            self._stop()

    @property
    def _together(self) -> bool:
        """Whether other processes take the same steps now, which follow commands after each."""
        return self._companions is not None and self._companions.joined

    def _take(self, event: Event) -> None:
        match event:
            case CheckpointReady():
                self._save(event)
            case StepTaken():
                pass
            case _:
                self._report(event)
        if isinstance(event, RunStarted) and self._parts:
            snapshots.begin(self._parts, self._writer)

    def _events(self, device: torch.device) -> Iterator[Event]:
        (seed,) = self._recipe.seeds
        if self._resume:  # of an earlier version, which took them
            data, left_out = datasets.without_foreign(self._recipe.data)
            self._recipe = self._recipe.model_copy(update={"data": data})
            yield from (Noted(text, "warning") for text in left_out)
        if self._companions:
            self._companions.announce(self.run_id, self._recipe, self._lost)
        teacher_file = self._store.folder(self.run_id) / "teacher.safetensors"
        parts = yield from build_parts(
            self._recipe, seed=seed, device=device, runs=self._store, teacher_file=teacher_file, report=self._note
        )
        if self._resume:
            yield from self._restored(parts)
        yield from environment.recorded(parts, self._store, self.run_id)
        self._parts = parts
        if self._companions:
            yield Noted(f"Training in {self._companions.world} processes, which share each batch.")
            self._companions.join(parts)
        yield from train(parts)

    def _restored(self, parts: Parts) -> Iterator[Event]:
        """Load the newest checkpoint that can be read. Those that cannot are renamed, since the run will write checkpoints at
        these steps again.

        Raises:
            UserError: there are checkpoints, and none can be read.
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
                    f"The checkpoint {path.name} is damaged and is skipped: {in_one_line(str(error))}", "warning"
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
                f"resumed. Start a new run with its recipe; the curves of this one are kept."
            )

    def _follow_commands(self) -> Generator[Turn, None, bool]:
        """Follow the commands given since the last step. False: the run ends here."""
        self._turn_knobs()
        if self._paused.is_set() and not self._stopped.is_set() and self._parts:
            yield from self._paused_turns(self._parts)
        if self._stopped.is_set():
            self._stop()
            return False
        self._save_as_asked()
        return True

    def _turn_knobs(self) -> None:
        while (parts := self._parts) and not self._adjustments.empty():
            asked = self._adjustments.get()
            for knob, factor in asked.settings():
                old = parts.values().get(knob, 0.0)
                parts.knobs[knob] = factor
                values = {"old": old, "new": parts.values().get(knob, 0.0)}
                self._report(KnobTurned(parts.step, knob, factor, values, asked.by, asked.undo))

    def _stop(self) -> None:
        """End the run, with a checkpoint where it has begun."""
        self._save_now()
        step = self._parts.step if self._parts else self._store.state(self.run_id).step
        self._report(RunStopped(step, self._reason))

    def _paused_turns(self, parts: Parts) -> Iterator[Turn]:
        self._save_now()
        self._report(RunPaused(parts.step))
        while self._paused.is_set() and not self._stopped.is_set():
            self._save_as_asked()
            yield Turn.IDLE
            self._turn_knobs()
        if not self._stopped.is_set():
            self._report(RunResumed(parts.step))

    def _save_as_asked(self) -> None:
        while self._parts and self._parts.step and not self._saves.empty():
            self._save_now()
            if (asked := self._saves.get()).set_running_or_notify_cancel():
                asked.set_result(self._parts.step)

    def _refuse_saves(self) -> None:
        while not self._saves.empty():
            if (asked := self._saves.get()).set_running_or_notify_cancel():
                asked.set_exception(UserError(f"Run {self.run_id} ended before its state was saved."))

    def _save_now(self) -> None:
        parts = self._parts
        if parts and parts.step and not self._writer.checkpoint_path(parts.step).is_file():
            self._save(CheckpointReady(parts.step, parts.epoch, parts.state()))

    def _save(self, ready: CheckpointReady) -> None:
        assert self._parts is not None
        path = self._writer.checkpoint_path(ready.step)
        described = {name: model.description() for name, model in self._parts.models.items()}
        checkpoint.save(ready.state, path, description=described)
        self._report(CheckpointSaved(ready.step, ready.epoch, f"checkpoints/{path.name}"))
        self._writer.keep_newest_checkpoints()
        snapshots.keep(self._parts, self._writer)

    def _note(self, text: str) -> None:
        """Report progress in the middle of a phase."""
        self._report(Noted(text))

    def _report(self, event: Event) -> None:
        self._writer.append(event)
        self._listener(self.run_id, event)


def _reason(error: Exception, device: torch.device, recipe: Recipe, folder: Path) -> str:
    """Why a run failed, as a sentence for the user. Bugs are logged."""
    if memory_full.is_full(error):
        where = "this machine" if device.type == "cpu" else str(device)
        return memory_full.sentence(where, recipe.data.batch_size, recipe.optimizer.accumulate)
    return disk.trouble(error, folder) or errors.shown(error)
