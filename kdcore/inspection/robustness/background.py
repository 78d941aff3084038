"""Computes ahead in a background thread, a step at a time, and stops as soon as a page asks for something."""

import contextlib
import threading
from collections.abc import Iterator

from kdcore.errors import UserError


class Background:
    """One piece of work at a time, in steps; a new one takes the place of the last."""

    def __init__(self) -> None:
        self._turn = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, steps: Iterator[None]) -> None:
        """Take the steps one after another in a thread, in the place of what was going on. An error that a user can mend ends them:
        who needs the result meets it again."""
        with self._lock:
            self._turn += 1
            self._thread = threading.Thread(
                target=self._take, args=(steps, self._turn), name="computing-ahead", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Take no further step. Does not wait for the one that is being taken."""
        with self._lock:
            self._turn += 1

    def wait(self) -> None:
        """Until the last piece of work has ended."""
        if self._thread is not None:
            self._thread.join()

    def _take(self, steps: Iterator[None], turn: int) -> None:
        with contextlib.suppress(UserError):
            while self._turn == turn and next(steps, False) is None:
                pass
