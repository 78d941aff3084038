"""Replay: the events of a run, read as far as they are written, become its state and its series of numbers."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.recipe import RecipeError
from kdcore.recipe.settings import settings
from kdcore.store.replay import cache, checking
from kdcore.store.replay.history import History
from kdcore.store.replay.lines import READ_BYTES, Lines
from kdcore.store.replay.series import Arrays
from kdcore.store.run_files import recipe_file
from kdcore.store.run_files.writing import LOCK, is_alive, last_host
from kdcore.store.run_ids import created_at
from kdcore.store.state import ACTIVE, ENDS, RESUMABLE, RunState, in_one_line

CACHE_BYTES = 4 << 20  # of new events before a replay is cached; later, as many as it has


class Replay:
    """The state and series of a run, from its events as far as they were read. Thread-safe."""

    def __init__(self, folder: Path, recorded: bool) -> None:
        self.folder, self.recorded = folder, recorded
        self._lock = threading.Lock()
        self._empty()
        kept = cache.read_replay(folder)
        try:
            if kept:
                self._restore(*kept)
        except (KeyError, TypeError, ValueError, AttributeError):  # another program changed the file
            self._empty()
        self._stored_state = self._history.state(self.damage)
        self.state = self._stored_state

    def _empty(self) -> None:
        """As before the first event."""
        self._history = History(self.folder.name, created_at(self.folder), self.recorded)
        self._lines = Lines()
        self._cached_up_to = 0
        self._seen, self._left_out, self._first_left_out = 0, 0, ""  # lines; why the first one was left out
        self._recipe_read_at = -1
        self._recipe_trouble = ""
        self._read_recipe()

    def _read_recipe(self) -> bool:
        """Read the recipe's name, length and settings, or why it cannot be read. False where the file has not changed."""
        written = recipe_file.written_at(self.folder)
        if written == self._recipe_read_at:
            return False
        self._recipe_read_at, self._recipe_trouble = written, ""
        facts = self._history.facts
        try:
            recipe = recipe_file.read(self.folder)
            facts |= {"name": recipe.name, "epochs": recipe.epochs, "settings": settings(recipe)}
        except RecipeError as error:  # of another version, or edited: the run can still be looked at
            self._history.note(facts["created"], str(error), "warning")
            self._recipe_trouble = in_one_line(str(error))
        return True

    @property
    def offset(self) -> int:
        return self._lines.offset

    @property
    def ended(self) -> bool:
        """Whether the run has ended. It may still be resumed."""
        return self.state.status in ("finished", *RESUMABLE)

    @property
    def damage(self) -> str:
        """What of the folder cannot be read, as a sentence; empty where all can."""
        found = [self._recipe_trouble] if self._recipe_trouble else []
        if self._left_out:
            lines, are = ("line", "is") if self._left_out == 1 else ("lines", "are")
            found.append(
                f"{self._left_out:,} {lines} of events.jsonl cannot be read and {are} skipped; {self._first_left_out}."
            )
        if (self.folder / LOCK).is_dir():
            found.append("writer.lock is a folder and should be a file.")
        return " ".join(found)

    def series(self) -> Arrays:
        """Every number over time, as far as it was read: name -> (steps, values)."""
        with self._lock:
            return self._history.series.view()

    def refresh(self) -> None:
        """Read new events. A run that is active by its events but has no writer was interrupted.

        Raises:
            OSError: the events cannot be read.
        """
        with self._lock:
            self._read()
            unwatched = self._stored_state.status in (*ACTIVE, "created") and not self.recorded
            if unwatched and not is_alive(self.folder):
                self._read()  # it may have ended just before its lock was checked
                self.state = self._without_writer(self._stored_state)
            else:
                self.state = self._stored_state

    def _without_writer(self, state: RunState) -> RunState:
        """The state of a run without a writer."""
        # its writer is about to start; the clock may have been set back since
        new = state.status == "created" and abs(time.time() - state.created) < 10
        if state.status == "created" and state.damage:
            return replace(state, status="damaged")
        if state.status in (*ACTIVE, "created") and not new:
            host = last_host(self.folder)
            on_host = f" on {host} has ended, or that machine cannot reach this drive" if host else " has ended"
            return replace(state, status="interrupted", reason=f"The process that trained it{on_host}.")
        return state

    def _read(self) -> None:
        if self._recipe_trouble and self._read_recipe():
            self._stored_state = self._history.state(self.damage)
        size, before = cache.mark(self.folder)[0], self.offset
        if size < before:  # cut, or put back from a copy
            self._empty()
            self._stored_state = self._history.state(self.damage)
            before = 0
        if size == before:
            return
        for lines in self._lines.new(self.folder / "events.jsonl", READ_BYTES):
            for line in lines:
                self._take_line(line)
        if self.offset == before:
            return
        self._stored_state = self._history.state(self.damage)
        new = self.offset - self._cached_up_to
        ended = self._stored_state.status in ENDS.values()
        if new >= max(CACHE_BYTES, 0 if ended else self._cached_up_to) and not self.recorded:
            self._keep()

    def _take_line(self, line: bytes) -> None:
        self._seen += 1
        try:
            event = checking.event(line)
        except UserError as error:  # from a full disk or a power cut: the other lines are still valid
            self._first_left_out = self._first_left_out or f"line {self._seen}: {in_one_line(str(error))}"
            self._left_out += 1
            self._history.note(self._history.facts["updated"], "A damaged line of events.jsonl was skipped.", "warning")
        else:
            self._history.take(event)

    def _keep(self) -> None:
        plain = self._history.plain() | {
            "skipping": self._lines.skipping,
            "lines": [self._seen, self._left_out, self._first_left_out],
        }
        cache.write_replay(self.folder, self.offset, plain, self._history.series.view())
        self._cached_up_to = self.offset

    def _restore(self, offset: int, plain: dict[str, Any], series: Arrays) -> None:
        self._lines, self._cached_up_to = Lines(offset, plain["skipping"]), offset
        self._seen, self._left_out, self._first_left_out = plain["lines"]
        own = ("id", "created", "recorded", *(() if self._recipe_trouble else ("name", "settings")))
        self._history.restore(plain, series, own)
