"""Commands to a job: given from any thread, and followed by the training thread between two steps."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import NamedTuple

from kdcore.errors import UserError
from kdcore.store import Store


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
        self._run_id, self._store, self._done = run_id, store, done
        self._paused, self._stopped = threading.Event(), threading.Event()
        self._adjustments: queue.SimpleQueue[Adjustment] = queue.SimpleQueue()
        self._saves: queue.SimpleQueue[Future[int]] = queue.SimpleQueue()  # checkpoints that were asked for

    def set_knob(self, knob: str, factor: float, by: str) -> None:
        self._adjust(lambda: [(knob, factor)], by)

    def reset_knobs(self, by: str) -> None:
        """Set every knob that was turned back to the recipe's value."""
        self._adjust(
            lambda: [(knob, 1.0) for knob, now in self._store.state(self._run_id).knobs.items() if now != 1], by
        )

    def undo_knob(self, by: str) -> None:
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
        self.reason = reason
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
        self._adjustments.put(Adjustment(settings, by, undo))
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
