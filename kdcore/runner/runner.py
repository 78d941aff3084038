"""Starting, controlling and resuming runs and studies: the interface of pages and the command line."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import torch

from kdcore.checks import added_terms, before_run, teacher_check
from kdcore.checks.findings import TeacherCheck
from kdcore.errors import UserError
from kdcore.events import Event
from kdcore.files import disk
from kdcore.inspection import run_plugins
from kdcore.paths import data_folder
from kdcore.recipe import OptimizerRecipe, Recipe, RecipeError
from kdcore.recipe import study as studies
from kdcore.recipe.forking import Schedules
from kdcore.recipe.study import Study
from kdcore.runner import companions, knobs
from kdcore.runner import studies as of_studies
from kdcore.runner.job import Job, Listener
from kdcore.runner.training_thread import TrainingThread
from kdcore.setup.build import build_parts
from kdcore.setup.cost import Estimate, estimate
from kdcore.store import ACTIVE, RESUMABLE, Store, Studies, forking, leftovers
from kdcore.store.event_files import EventFiles
from kdcore.store.run_files import commands as command_files
from kdcore.store.run_ids import is_run
from kdcore.training import replicas

PATIENCE = 60.0  # seconds to wait for a checkpoint of a run that trains


class Runner:
    """Trains runs on one device, in a daemon thread of its own. All methods return at once, except `close` and `wait`."""

    at_once = 1  # runs; a fork and the run that it comes from take turns

    def __init__(self, store: Store, *, device: str | None = None, threads: int | None = None) -> None:
        """
        Args:
            device: a torch device; by default the GPU where there is one.
            threads: CPU threads for training; by default `KD_THREADS`, else one for each core; several processes share the cores.
        """
        self.store = store
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._companions, self.device = companions.of_this_process(chosen)
        self.threads = threads or companions.threads()
        self.listener: Listener = lambda run_id, event: None
        self.event_files = EventFiles(store)
        leftovers.sweep_runs(store.root)
        leftovers.sweep_data(data_folder())
        self._thread = TrainingThread(self.device, self.threads)

    def start(self, recipe: Recipe, *, event_files: bool = False) -> list[str]:
        """Queue a recipe, one run for each of its seeds; returns the runs' ids.

        Args:
            event_files: write TensorBoard event files into the runs' folders while they train.

        Raises:
            RecipeError: the recipe cannot run.
            UserError: the disk is full, or the runner is closed. No run is left behind.
        """
        before_run.check(recipe, self.store, self.device)
        ids = []
        for seed in recipe.seeds:
            name = recipe.name if len(recipe.seeds) == 1 else f"{recipe.name} seed {seed}"[:80]
            single = recipe.model_copy(update={"seeds": (seed,), "name": name})
            run_id = self.store.create(single)
            try:
                if event_files:
                    self.event_files.switch_on(run_id)
                self._enqueue(run_id, single, resume=False, then="start the run again")
            except UserError:
                self.store.delete(run_id)
                raise
            ids.append(run_id)
        return ids

    def resume(self, run_id: str) -> None:
        """Continue a stopped, failed or interrupted run from its last checkpoint (from the start where there is none)."""
        state = self.store.state(run_id)
        if state.status not in (*RESUMABLE, "created"):  # the latter: killed before it was queued
            raise UserError(
                f"Run {run_id} is {state.status}; only a stopped, failed or interrupted run can be resumed."
            )
        self._check_plugins(run_id)
        command_files.clear(self.store.folder(run_id))  # of a process that has ended
        self._enqueue(run_id, self.store.recipe(run_id), resume=True)

    def fork(
        self,
        run_id: str,
        changes: dict[str, Any] | None = None,
        *,
        step: int | None = None,
        schedules: Schedules = "stretched",
        add: Sequence[dict[str, Any]] = (),
        remove: Sequence[str] = (),
    ) -> str:
        """Start a run from the exact state of another one, which stays as it is; returns the new run's id.

        Where the other one trains in this process, both go on in turns.

        Args:
            changes: dotted setting -> value, such as `{"terms.1.weight": 0.2, "epochs": 20}`; see `recipe.forking`.
            step: of a checkpoint to start from; None: now where the run trains here, else its newest checkpoint.
            schedules: of another number of epochs: `stretched` to the new length, or `continued` at their last value.
            add: further terms, as in a recipe: `{"method": "sp", "weight": 1.0}`; those without parameters or memory of their own.
            remove: names of terms to leave out from here on.

        Raises:
            UserError: there is no such checkpoint, a setting cannot change in a fork, or the disk is full. No run is left behind.
        """
        self._check_plugins(run_id)
        if step is None and (job := self._thread.job(run_id)) and self.store.state(run_id).step:
            step = _in_time(job.commands.save_checkpoint(), run_id)
        child, recipe = forking.create(
            self.store, run_id, changes or {}, step=step, schedules=schedules, add=add, remove=remove
        )
        try:
            before_run.check(recipe, self.store, self.device)
            added_terms.check(recipe, len(self.store.recipe(run_id).terms), self.store)
            self._enqueue(child, recipe, resume=True, then="fork the run again")
        except UserError:
            self.store.delete(child)
            raise
        return child

    def pause(self, run_id: str) -> None:
        """Pause a run after its current step, with a checkpoint."""
        self._command(run_id, "pause")

    def unpause(self, run_id: str) -> None:
        """Continue a paused run."""
        self._command(run_id, "unpause")

    def stop(self, run_id: str, reason: str = "Stopped by a user.") -> None:
        """End a run after its current step, with a checkpoint to resume from; one that is queued or prepared, at once."""
        if job := self._thread.job(run_id):
            self._thread.stop(job, reason)
        else:
            self._command(run_id, "stop", reason=reason)

    def knobs(self, run_id: str) -> tuple[str, ...]:
        """The settings of a run that can be changed while it trains: `learning_rate`, `weight/TERM`, and `temperature/TERM` of the
        terms that use one."""
        return knobs.names(self.store.recipe(run_id))

    def set_knob(self, run_id: str, knob: str, factor: float, *, by: str = "") -> None:
        """Change a setting of a run, from its next step on.

        Args:
            knob: one of `knobs`.
            factor: multiplies the value of the recipe; from 0 to 100, of a temperature at least 0.05.
            by: the user's name, for the log.
        """
        knobs.check(self.store.recipe(run_id), knob, factor)
        self._command(run_id, "set_knob", knob=knob, factor=factor, by=by)

    def reset_knobs(self, run_id: str, *, by: str = "") -> None:
        """Set all knobs of a run back to the recipe's values."""
        self._command(run_id, "reset_knobs", by=by)

    def undo_knob(self, run_id: str, *, by: str = "") -> None:
        """Take back the last change of a knob; called again, the one before it. Raises UserError where there is none."""
        if not self.store.state(run_id).undoable:
            raise UserError(f"There is nothing to undo: no setting of run {run_id} was changed since it began.")
        self._command(run_id, "undo_knob", by=by)

    def start_study(self, study: Study) -> str:
        """Store a study and queue its runs one after another; returns its id.

        Raises:
            RecipeError: one of its variants cannot run; nothing is stored or started.
        """
        studies.check(study, self.check)
        study_id = Studies(self.store).create(study)
        self.resume_study(study_id)
        return study_id

    def resume_study(self, study_id: str) -> None:
        """Queue the runs of a study that are not finished; those that were interrupted resume from their checkpoint.

        Raises:
            UserError: another process trains one of its runs.
        """
        of_studies.resume(self, study_id)

    def begin(self, run_id: str, recipe: Recipe) -> None:
        """Queue a run of a study: a new one, or one that continues from its last checkpoint. Raises UserError."""
        there = is_run(str(self.store.root / run_id))
        if there:
            self._check_plugins(run_id)
        else:
            self.store.create(recipe, run_id)
        self._enqueue(run_id, recipe, resume=there)

    def stop_study(self, study_id: str) -> None:
        """Stop the runs of a study that are queued or in progress, with a checkpoint."""
        of_studies.stop(self, study_id)

    def check(self, recipe: Recipe) -> None:
        """Check that a recipe can run: its terms, its teacher where that takes seconds, and its networks for two steps.

        Raises:
            UserError: it cannot; the message states why and how to fix it.
        """
        before_run.check(recipe, self.store, self.device)
        insists = recipe.teacher is not None and recipe.teacher.accept
        for finding in self.check_teacher(recipe).stops if teacher_check.is_quick(recipe) else ():
            if finding.final or not insists:
                raise RecipeError(f"The teacher's {finding.check}: {finding.in_words}")
        fixed = OptimizerRecipe()  # its numbers never prevent a run
        self.estimate(recipe.model_copy(update={"optimizer": fixed}))

    def estimate(self, recipe: Recipe) -> Estimate:
        """What a recipe will cost on this device. Takes a second for small networks. Raises UserError as a run would."""
        before_run.check(recipe, self.store, self.device)
        return estimate(recipe, device=self.device, runs=self.store)

    def check_teacher(self, recipe: Recipe) -> TeacherCheck:
        """The check of a recipe's teacher. Takes seconds. Raises UserError where weights or data are missing."""
        return teacher_check.check(recipe, device=self.device, runs=self.store)

    def prepare(self, recipe: Recipe) -> None:
        """Do ahead, while no run trains, what a run of this recipe begins with: drawing its images, checking its teacher."""
        self._thread.prepare(self._beginning(recipe))

    def active(self) -> tuple[str, ...]:
        """The runs that this process trains or has queued, the current one first."""
        return self._thread.active()

    def wait(self, run_id: str, timeout: float | None = None) -> bool:
        """Block until a run of this process has ended; False after `timeout` seconds."""
        job = self._thread.job(run_id)
        return job.done.wait(timeout) if job else True

    def close(self, timeout: float = 10.0) -> None:
        """Stop all runs, each with a checkpoint, and end the thread. May be called twice."""
        self._thread.close(timeout)

    def _beginning(self, recipe: Recipe) -> Iterator[Event | None]:
        """What a run begins with, piece by piece; what it computes is held in memory or on the disk for the run."""
        (seed, *_) = recipe.seeds
        before_run.check(recipe, self.store, self.device)
        yield None
        yield from build_parts(recipe, seed=seed, device=self.device, runs=self.store)

    def _check_plugins(self, run_id: str) -> None:
        """Refuse a run whose plugins are not loaded. Raises UserError."""
        for entry in self.store.environment(run_id)[-1:]:
            run_plugins.check(entry.get("plugin"))

    def _command(self, run_id: str, name: str, **arguments: Any) -> None:
        """Give a command to a run, also to one of another process, which follows it within a second of its next step."""
        if job := self._thread.job(run_id):
            job.commands.follow(name, **arguments)
        elif (status := self.store.state(run_id).status) in ACTIVE:
            with disk.in_words(self.store.folder(run_id), then="try it again"):
                command_files.send(self.store.folder(run_id), name, arguments)
        else:
            raise UserError(f"Run {run_id} cannot be controlled: it is {status}.")

    def _enqueue(self, run_id: str, recipe: Recipe, *, resume: bool, then: str = disk.RESUME) -> None:
        if self._companions:
            replicas.check(recipe, self._companions.world)
        with disk.in_words(self.store.folder(run_id), then=then):
            # several processes take the steps of one run at a time, also of a fork and its parent
            family = run_id if self._companions else forking.family(self.store, run_id)
            job = Job(
                run_id, recipe, self.store, resume=resume, listener=self._forward, family=family,
                companions=self._companions,
            )  # fmt: skip
            self._thread.enqueue(job)

    def _forward(self, run_id: str, event: Event) -> None:
        self.event_files.take(run_id, event)
        self.listener(run_id, event)  # the present listener, not the one when the run was queued


def _in_time(saved: "Future[int]", run_id: str) -> int:
    """The step of a checkpoint that was asked for."""
    try:
        return saved.result(PATIENCE)
    except TimeoutError:
        saved.cancel()
        raise UserError(
            f"Run {run_id} has not saved its state within {PATIENCE:g} seconds: fork it from its last checkpoint, or later."
        ) from None
