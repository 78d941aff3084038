"""Commands to a job: given from any thread, and followed by the training thread between two steps."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from kdcore.errors import UserError, clipped, shortened
from kdcore.runner import knobs
from kdcore.store import Store
from kdcore.store.run_files import commands as files

LONGEST_NAME = 80  # of a user
LONGEST_REASON = 500
LOOK = 0.5  # seconds between two looks for commands of other processes


class Adjustment(NamedTuple):
    """A user's change of knobs, to be made between two steps.

    settings: gives each knob's new factor, at that moment.
    """

    settings: Callable[[], list[tuple[str, float]]]
    by: str
    undo: bool


class Commands:
    """What users want of one job. The second half is for the thread that trains it."""

    def __init__(self, run_id: str, store: Store, done: threading.Event) -> None:
        """`done`: the job has ended, and follows no command any more."""
        self.on_command: Callable[[], None] = lambda: None  # called after every command
        self.reason = ""  # why the run is to stop
        self.refused: list[str] = []  # why commands of other processes were not followed
        self._look_again = 0.0
        self._run_id, self._store, self._done = run_id, store, done
        self._paused, self._stopped = threading.Event(), threading.Event()
        self._adjustments: queue.SimpleQueue[Adjustment] = queue.SimpleQueue()
        self._saves: queue.SimpleQueue[Future[int]] = queue.SimpleQueue()  # checkpoints that were asked for

    def heed_others(self) -> None:
        """Take the commands that other processes have left beside the run; at most every `LOOK` seconds."""
        if time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK
        for command in files.take(self._store.folder(self._run_id)):
            try:
                self.follow(command.name, **command.arguments)
            except (UserError, TypeError, OverflowError) as error:  # other arguments than it takes
                self.refused.append(f"A command of another process was not followed: {error}")

    def follow(self, name: str, **arguments: Any) -> None:
        """Give a command by its name, from wherever it comes. Raises UserError where there is no such command, knob or factor."""
        match name:
            case "set_knob":
                self._set_knob(**arguments)
            case "pause" | "unpause" | "stop" | "reset_knobs" | "undo_knob":
                getattr(self, name)(**arguments)
            case _:
                raise UserError(f"There is no command {shortened(name)}.")

    def _set_knob(self, knob: str, factor: float, by: str = "") -> None:
        knobs.check(self._store.recipe(self._run_id), knob, factor)
        self.set_knob(knob, factor, by)

    def set_knob(self, knob: str, factor: float, by: str) -> None:
        self._adjust(lambda: [(knob, factor)], by)

    def reset_knobs(self, by: str = "") -> None:
        """Set every knob that was turned back to the recipe's value."""
        self._adjust(
            lambda: [(knob, 1.0) for knob, now in self._store.state(self._run_id).knobs.items() if now != 1], by
        )

    def undo_knob(self, by: str = "") -> None:
        """Take back the last change."""

        def last() -> list[tuple[str, float]]:
            found = self._store.state(self._run_id).undoable
            return [(found["knob"], found["factor"])] if found else []

        self._adjust(last, by, undo=True)

    def pause(self) -> None:
        self._paused.set()
        self.on_command()

    def unpause(self) -> None:
        self._paused.clear()
        self.on_command()

    def stop(self, reason: str) -> None:
        self.reason = clipped(str(reason), LONGEST_REASON)
        self._stopped.set()
        self.on_command()

    def save_checkpoint(self) -> "Future[int]":
        """Ask for a checkpoint after the current step; its step is the future's result.

        The future raises UserError where the run has not taken a step, or ends before it is saved.
        """
        asked: Future[int] = Future()
        self._saves.put(asked)
        self.on_command()
        if self._done.is_set():
            self.refuse_saves()
        return asked

    def _adjust(self, settings: Callable[[], list[tuple[str, float]]], by: str, *, undo: bool = False) -> None:
        self._adjustments.put(Adjustment(settings, str(by)[:LONGEST_NAME], undo))
        self.on_command()

    def paused(self) -> bool:
        """Whether the run is to pause; one that is to stop does not."""
        return self._paused.is_set() and not self._stopped.is_set()

    def stopped(self) -> bool:
        """Whether the run is to stop."""
        return self._stopped.is_set()

    def adjustments(self) -> Iterator[Adjustment]:
        """The changes that nobody has made yet, each once."""
        while not self._adjustments.empty():
            yield self._adjustments.get()

    def wants_save(self) -> bool:
        """Whether a checkpoint was asked for."""
        return not self._saves.empty()

    def saved(self, step: int) -> None:
        """Answer the first that asked for a checkpoint."""
        if (asked := self._saves.get()).set_running_or_notify_cancel():
            asked.set_result(step)

    def refuse_saves(self) -> None:
        """Answer all that asked for a checkpoint: the run has ended."""
        while self.wants_save():
            if (asked := self._saves.get()).set_running_or_notify_cancel():
                asked.set_exception(UserError(f"Run {self._run_id} ended before its state was saved."))
