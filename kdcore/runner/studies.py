"""Studies, whatever trains their runs: this process, or workers on other machines."""

import contextlib
from typing import Protocol

from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.store import ACTIVE, Store, Studies
from kdcore.store.run_files import commands


class Runs(Protocol):
    """What trains runs: `Runner` in this process, `cluster.RayRuns` on other machines."""

    store: Store

    @property
    def at_once(self) -> int:
        """How many runs may train at the same time."""

    def begin(self, run_id: str, recipe: Recipe) -> None:
        """Queue a run: a new one, or one that continues from its last checkpoint. Raises UserError."""

    def stop(self, run_id: str, reason: str = ...) -> None:
        """End a run after its current step, with a checkpoint. Raises UserError where it has ended."""

    def wait(self, run_id: str, timeout: float | None = None) -> bool:
        """Block until a run has ended; False after `timeout` seconds."""

    def active(self) -> tuple[str, ...]:
        """The runs that are queued or in progress."""


def resume(runs: Runs, study_id: str) -> None:
    """Queue the runs of a study that have not ended; those that were interrupted resume from their checkpoint.

    Raises:
        UserError: another process trains one of its runs.
    """
    state, mine = Studies(runs.store).state(study_id), runs.active()
    if state.searching:
        raise UserError(
            f"The study {study_id} is a search: continue it with `python -m kdcore study resume {study_id}`."
        )
    for place in state.places:
        if place.run and place.run.status in ACTIVE and place.run_id not in mine:
            raise UserError(f"Another process trains run {place.run_id} of the study {study_id}; stop it there first.")
    for place in state.places:
        if not place.ended and place.run_id not in mine:
            if place.run:
                commands.clear(runs.store.folder(place.run_id))  # of a process that has ended
            runs.begin(place.run_id, place.point.recipe)


def stop(runs: Runs, study_id: str, reason: str = "Stopped by a user.") -> None:
    """Stop the runs of a study that are queued or in progress, also in other processes, with a checkpoint."""
    mine = runs.active()
    for place in reversed(Studies(runs.store).state(study_id).places):  # the current one last, so that no other begins
        if place.run_id in mine or (place.run and place.run.status in ACTIVE):
            with contextlib.suppress(UserError):  # it has just ended
                runs.stop(place.run_id, reason)
