"""Pruning a run's student in a process of its own, then its fine-tuning as a new run; one at a time, for all windows to see."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kdcore.errors import UserError, shown
from pages.parts.engine import process
from pages.parts.engine.guards import operators

if TYPE_CHECKING:
    from kdcore.store import Store


@dataclass
class Pruning:
    """A pruning of a run's student or twin.

    to: the share of its multiply-accumulates that is kept. epochs: of fine-tuning. began: seconds of `time.monotonic`.
    run: the run that fine-tunes it, once there is one. words: what was removed. problem: why there is none.
    """

    run_id: str
    network: str
    to: float
    score: str
    epochs: int
    began: float = field(default_factory=time.monotonic)
    going: bool = True
    run: str = ""
    words: str = ""
    problem: str = ""
    stop: threading.Event = field(default_factory=threading.Event, repr=False)


REMEMBERED = 50  # prunings that have ended

_lock = threading.Lock()
_last: dict[str, Pruning] = {}  # run -> its last pruning


@operators("prune networks")
def start_pruning(run_id: str, network: str, to: float, score: str, epochs: int) -> None:
    """Start pruning in a thread; `pruning_of` says how far it is. Raises UserError where another one is in progress."""
    runner = process.process_runner()
    with _lock:
        if any(each.going for each in _last.values()):
            raise UserError("Another network is being pruned now. Try again when that has ended.")
        _last.pop(run_id, None)  # the newest is last
        _last[run_id] = begun = Pruning(run_id, network, to, score, epochs)
        while len(_last) > REMEMBERED:
            del _last[next(iter(_last))]
    threading.Thread(target=_prune, args=(begun, runner), name="pruning", daemon=True).start()


@operators("prune networks")
def stop_pruning(run_id: str) -> None:
    """Stop a pruning in progress; nothing is left of it."""
    if found := _last.get(run_id):
        found.stop.set()


@operators("prune networks")
def pruning_of(run_id: str) -> Pruning | None:
    """The last pruning of a run since the server started."""
    return _last.get(run_id)


def _prune(begun: Pruning, runner: process.Runner) -> None:
    try:
        file = _pruned(begun, runner.store)
        if begun.stop.is_set():  # just before it was done
            file.unlink(missing_ok=True)
            raise UserError("It was stopped.")
        recipe = _fine_tuning(file, runner.store, begun.epochs)
        begun.words = recipe.note
        (begun.run,) = runner.start(recipe)
    except Exception as error:  # shown on the page; of a bug, a sentence with the number of its traceback
        begun.problem = shown(error)
    finally:
        begun.going = False


def _pruned(begun: Pruning, store: Store) -> Path:
    from kdcore.export.networks import processes

    return processes.prune(store, f"run:{begun.run_id}/{begun.network}", begun.to, begun.score, begun.stop.is_set)


def _fine_tuning(file: Path, store: Store, epochs: int) -> process.Recipe:
    from kdcore.pruning import students

    return students.fine_tuning(file, store, epochs)
