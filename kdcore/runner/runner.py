"""What pages and the command line ask for: runs and studies are checked, started, steered and resumed. Knows no thread."""

import contextlib
import os

import torch

from kdcore import methods
from kdcore.checks import preflight, teacher_check
from kdcore.checks.findings import Examination
from kdcore.errors import UserError
from kdcore.events import Event
from kdcore.files import disk
from kdcore.recipe import OptimizerRecipe, Recipe, RecipeError
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from kdcore.runner.job import Job, Listener
from kdcore.runner.worker import Worker
from kdcore.setup.cost import Estimate, estimate
from kdcore.store import ACTIVE, RESUMABLE, Store, Studies


class Runner:
    """Drives runs on one device, in a daemon thread of its own. All methods return at once, but `close` and `wait`."""

    def __init__(self, store: Store, *, device: str | None = None, threads: int | None = None) -> None:
        """
        Args:
            device: a torch device; by default the GPU where there is one.
            threads: of the CPU for training; by default `KD_THREADS`, else every core.
        """
        self.store = store
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.threads = threads or int(os.environ.get("KD_THREADS") or os.cpu_count() or 1)
        self.listener: Listener = lambda run_id, event: None
        self._worker = Worker(self.device, self.threads)

    def start(self, recipe: Recipe) -> list[str]:
        """Queue a recipe, one run for each of its seeds; returns the runs' ids.

        Raises:
            RecipeError: the recipe is refused before anything is built.
            ValueError: the disk does not take the run, or the runner is closed; nothing is left of it.
        """
        preflight.check(recipe, self.store)
        ids = []
        for seed in recipe.seeds:
            name = recipe.name if len(recipe.seeds) == 1 else f"{recipe.name} seed {seed}"[:80]
            single = recipe.model_copy(update={"seeds": (seed,), "name": name})
            run_id = self.store.create(single)
            try:
                self._enqueue(run_id, single, resume=False, then="start the run again")
            except UserError:
                self.store.delete(run_id)
                raise
            ids.append(run_id)
        return ids

    def resume(self, run_id: str) -> None:
        """Continue a stopped, failed or interrupted run from its last checkpoint (from the start where there is none)."""
        state = self.store.state(run_id)
        if state.status not in RESUMABLE:
            raise UserError(
                f"Run {run_id} is {state.status}; only a stopped, failed or interrupted run can be resumed."
            )
        self._enqueue(run_id, self.store.recipe(run_id), resume=True)

    def pause(self, run_id: str) -> None:
        """Hold a run after its present step, with a checkpoint."""
        self._steered(run_id).pause()

    def unpause(self, run_id: str) -> None:
        """Let a paused run go on."""
        self._steered(run_id).unpause()

    def stop(self, run_id: str, reason: str = "Stopped by hand.") -> None:
        """End a run after its present step, with a checkpoint to resume from."""
        self._steered(run_id).stop(reason)

    def turn(self, run_id: str, knob: str, factor: float) -> None:
        """Change a setting of a run between two steps.

        Args:
            knob: `learning_rate` or `weight/TERM`.
            factor: multiplies what the recipe says.
        """
        known = ["learning_rate", *(f"weight/{term.label}" for term in self.store.recipe(run_id).terms)]
        if knob not in known:
            raise UserError(f"{knob!r} is not a knob of this run; it has {', '.join(known)}.")
        if not 0 <= factor <= 100:
            raise UserError(f"A knob takes a factor from 0 to 100, not {factor:g}.")
        self._steered(run_id).turn(knob, factor)

    def start_study(self, study: Study) -> str:
        """Write a study down and queue its runs one after another; returns its id.

        Raises:
            ValueError: one of its variants cannot run; nothing was written or started.
        """
        for point in studies.points(study):
            if point.seed == study.seeds[0]:
                try:
                    self.check(point.recipe)
                except UserError as error:
                    raise RecipeError(f"The variant {point.variant!r} cannot run: {error}") from None
        study_id = Studies(self.store).create(study)
        self.resume_study(study_id)
        return study_id

    def resume_study(self, study_id: str) -> None:
        """Queue what is left of a study: runs that ended early go on from their checkpoint, those that are done stay.

        Raises:
            ValueError: another process works on it.
        """
        state, mine = Studies(self.store).state(study_id), self.active()
        for place in state.places:
            if place.run and place.run.status in ACTIVE and place.run_id not in mine:
                raise UserError(
                    f"Another process works on the study {study_id} (run {place.run_id}); stop it there first."
                )
        for place in state.places:
            if place.done or place.run_id in mine:
                continue
            if place.run is None:
                self.store.create(place.point.recipe, place.run_id)
            self._enqueue(place.run_id, place.point.recipe, resume=place.run is not None)

    def stop_study(self, study_id: str) -> None:
        """End a study's present run with a checkpoint, and those that wait."""
        mine = self.active()
        for place in reversed(Studies(self.store).state(study_id).places):  # the present one last, so that none begins
            if place.run_id in mine:
                with contextlib.suppress(UserError):  # it has ended just now
                    self.stop(place.run_id)

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that cannot run: by names and cards, by its teacher's examination where that takes seconds, and
        by its networks and terms, built and tried for two steps.

        Raises:
            ValueError: with the remedy.
        """
        for term in recipe.terms:
            methods.check(term)
        insists = recipe.teacher is not None and recipe.teacher.accept
        for finding in self.examine(recipe).stops if teacher_check.cheap(recipe) else ():
            if finding.final or not insists:
                raise RecipeError(f"The teacher's {finding.check}: {finding.in_words}")
        fixed = OptimizerRecipe()  # whose numbers never keep a recipe from running
        self.estimate(recipe.model_copy(update={"optimizer": fixed}))

    def estimate(self, recipe: Recipe) -> Estimate:
        """What a recipe will cost on this device. Takes a second for small networks; raises ValueError as a run would."""
        preflight.check(recipe, self.store)
        return estimate(recipe, device=self.device, runs=self.store)

    def examine(self, recipe: Recipe) -> Examination:
        """What the teacher of a recipe is worth; see `doctor`. Takes seconds; raises ValueError where it cannot be had."""
        return teacher_check.examine(recipe, device=self.device, runs=self.store)

    def active(self) -> tuple[str, ...]:
        """The runs that this process works on, the present one first."""
        return self._worker.active()

    def wait(self, run_id: str, timeout: float | None = None) -> bool:
        """Block until a run of this process has ended; False where the time ran out."""
        job = self._worker.job(run_id)
        return job.done.wait(timeout) if job else True

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything, each run with a checkpoint, and end the thread. May be called twice."""
        self._worker.close(timeout)

    def _steered(self, run_id: str) -> Job:
        if job := self._worker.job(run_id):
            return job
        status = self.store.state(run_id).status
        where = "it runs in another process; use that one" if status in ("running", "paused") else f"it is {status}"
        raise UserError(f"Run {run_id} cannot be steered from here: {where}.")

    def _enqueue(self, run_id: str, recipe: Recipe, *, resume: bool, then: str = disk.RESUME) -> None:
        with disk.in_words(self.store.folder(run_id), then=then):
            self._worker.put(Job(run_id, recipe, self.store, resume=resume, listener=self._hear))

    def _hear(self, run_id: str, event: Event) -> None:
        self.listener(run_id, event)  # whoever listens now, not who did when the run was queued
