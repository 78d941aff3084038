"""One run in the training thread: its parts are built, its events stored, and commands followed between two steps.

A job advances step by step, so that the thread can train several runs in turns.
"""

import contextlib
import enum
import os
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from kdcore import errors
from kdcore.data import datasets
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
from kdcore.runner import resuming, snapshots
from kdcore.runner.commands import Commands
from kdcore.runner.companions import Companions
from kdcore.runtime import interruption, memory_full
from kdcore.setup import environment
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.store.run_files import checkpoint
from kdcore.training.loop import train
from kdcore.training.state import Parts

Listener = Callable[[str, Event], None]


class Turn(enum.Enum):
    """What a job did in its turn: a step or a part of its preparation; nothing, since it is paused; or its last one."""

    WORKED = "worked"
    IDLE = "idle"
    ENDED = "ended"


class Job:
    """A run that this process trains or will train.

    Its `commands` may be given from any thread and are followed between two steps. `advance` belongs to the training thread.
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
        self.commands = Commands(run_id, store, self.done)
        self._recipe, self._store, self._resume, self._listener = recipe, store, resume, listener
        self._companions = companions
        self._resources = ExitStack()
        self._writer = self._resources.enter_context(
            store.writer(run_id)
        )  # already here, so that the run counts as alive
        self._parts: Parts | None = None
        self._turns: Iterator[Turn] | None = None
        self._claimed = threading.Lock()  # taken once, by the thread that runs the job

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
        with interruption.interruptible(self._is_to_stop):
            return next(self._turns, Turn.ENDED)

    def _is_to_stop(self) -> bool:
        self.commands.heed_others()
        return self.commands.stopped()

    def _run(self, device: torch.device) -> Iterator[Turn]:
        try:
            yield from self._train(device)
            if self._companions:
                self._companions.end_run()
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # a plugin may also end the program; the thread goes on with the next run
            trace = traceback.format_exc()
            self._parts = None  # a full memory has room again for what follows
            lost = self._companions.abandon(error) if self._companions else ""
            self._report_failure(lost or _reason(error, device, self._recipe, self._writer.folder), trace)

    def release(self) -> None:
        """Close the run's files and free its parts. Never raises."""
        self._parts = self._turns = None
        self._resources.close()
        self.commands.refuse_saves()

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
            yield from resuming.restored(parts, self._store.checkpoints(self.run_id))
        yield from environment.recorded(parts, self._store, self.run_id)
        self._parts = parts
        if self._companions:
            yield Noted(f"Training in {self._companions.world} processes, which share each batch.")
            self._companions.join(parts)
        yield from train(parts)

    def _follow_commands(self) -> Generator[Turn, None, bool]:
        """Follow the commands given since the last step, also by other processes. False: the run ends here."""
        self._heed_others()
        self._turn_knobs()
        if self.commands.paused() and self._parts:
            yield from self._paused_turns(self._parts)
        if self.commands.stopped():
            self._stop()
            return False
        self._save_as_asked()
        return True

    def _heed_others(self) -> None:
        self.commands.heed_others()
        while self.commands.refused:
            self._report(Noted(self.commands.refused.pop(0), "warning"))

    def _turn_knobs(self) -> None:
        if not (parts := self._parts):
            return
        for asked in self.commands.adjustments():
            for knob, factor in asked.settings():
                old = parts.values().get(knob, 0.0)
                parts.knobs[knob] = factor
                values = {"old": old, "new": parts.values().get(knob, 0.0)}
                self._report(KnobTurned(parts.step, knob, factor, values, asked.by, asked.undo))

    def _stop(self) -> None:
        """End the run, with a checkpoint where it has begun."""
        self._save_now()
        step = self._parts.step if self._parts else self._store.state(self.run_id).step
        self._report(RunStopped(step, self.commands.reason))

    def _paused_turns(self, parts: Parts) -> Iterator[Turn]:
        self._save_now()
        self._report(RunPaused(parts.step))
        while self.commands.paused():
            self._save_as_asked()
            yield Turn.IDLE
            self._heed_others()
            self._turn_knobs()
        if not self.commands.stopped():
            self._report(RunResumed(parts.step))

    def _save_as_asked(self) -> None:
        while self._parts and self._parts.step and self.commands.wants_save():
            self._save_now()
            self.commands.saved(self._parts.step)

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


def _reason(error: BaseException, device: torch.device, recipe: Recipe, folder: Path) -> str:
    """Why a run failed, as a sentence for the user. Bugs are logged."""
    if memory_full.is_full(error):
        where = "this machine" if device.type == "cpu" else str(device)
        return memory_full.sentence(where, recipe.data.batch_size, recipe.optimizer.accumulate)
    return disk.trouble(error, folder) or errors.shown(error)
