"""Runs in a background thread: starts them, drives the loop, feeds the store, obeys between two steps.

The only place with threads. One run at a time on the device; the others queue.
"""

import atexit
import contextlib
import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch

from kdcore import arithmetic, checkpoint, doctor, methods, preflight, snapshots
from kdcore import study as studies
from kdcore.assemble import assemble
from kdcore.estimate import Estimate, estimate
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
from kdcore.findings import Examination
from kdcore.folders import ASSETS, runs_folder
from kdcore.parts import Parts
from kdcore.recipe import OptimizerRecipe, Recipe, RecipeError
from kdcore.store import ACTIVE, RESUMABLE, RunWriter, Store, Studies
from kdcore.study import Study
from kdcore.trainer import train

KEPT_CHECKPOINTS = 3
Listener = Callable[[str, Event], None]


@dataclass
class _Job:
    """A run that this process works on or will work on."""

    run_id: str
    recipe: Recipe
    writer: RunWriter
    resume: bool
    closing: ExitStack
    stop: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)  # set by every command, so that a pause ends at once
    knobs: "queue.SimpleQueue[tuple[str, float]]" = field(default_factory=queue.SimpleQueue)
    reason: str = ""
    parts: Parts | None = None
    done: threading.Event = field(default_factory=threading.Event)


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
        self._jobs: dict[str, _Job] = {}
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"kdcore-{self.device}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def start(self, recipe: Recipe) -> list[str]:
        """Queue a recipe, one run for each of its seeds; returns the runs' ids.

        Raises:
            RecipeError: the recipe is refused before anything is built.
        """
        preflight.check(recipe, self.store)
        ids = []
        for seed in recipe.seeds:
            name = recipe.name if len(recipe.seeds) == 1 else f"{recipe.name} seed {seed}"[:80]
            single = recipe.model_copy(update={"seeds": (seed,), "name": name})
            run_id = self.store.create(single)
            self._enqueue(run_id, single, resume=False)
            ids.append(run_id)
        return ids

    def resume(self, run_id: str) -> None:
        """Continue a stopped, failed or interrupted run from its last checkpoint (from the start where there is none)."""
        state = self.store.state(run_id)
        if state.status not in RESUMABLE:
            raise ValueError(
                f"Run {run_id} is {state.status}; only a stopped, failed or interrupted run can be resumed."
            )
        self._enqueue(run_id, self.store.recipe(run_id), resume=True)

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that cannot run: by names and cards, by its teacher's examination where that takes seconds, and
        by its networks and terms, built and tried for two steps.

        Raises:
            ValueError: with the remedy.
        """
        for term in recipe.terms:
            methods.check(term)
        insists = recipe.teacher is not None and recipe.teacher.accept
        for finding in self.examine(recipe).stops if doctor.cheap(recipe) else ():
            if finding.final or not insists:
                raise RecipeError(f"The teacher's {finding.check}: {finding.in_words}")
        fixed = OptimizerRecipe()  # whose numbers never keep a recipe from running
        self.estimate(recipe.model_copy(update={"optimizer": fixed}))

    def start_study(self, study: Study) -> str:
        """Write a study down and queue its runs one after another; returns its id.

        Raises:
            ValueError: one of its variants cannot run; nothing was written or started.
        """
        for point in studies.points(study):
            if point.seed == study.seeds[0]:
                try:
                    self.check(point.recipe)
                except ValueError as error:
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
                raise ValueError(
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
                with contextlib.suppress(ValueError):  # it has ended just now
                    self.stop(place.run_id)

    def pause(self, run_id: str) -> None:
        """Hold a run after its present step, with a checkpoint."""
        self._command(run_id, lambda job: job.pause.set())

    def unpause(self, run_id: str) -> None:
        """Let a paused run go on."""
        self._command(run_id, lambda job: job.pause.clear())

    def stop(self, run_id: str, reason: str = "Stopped by hand.") -> None:
        """End a run after its present step, with a checkpoint to resume from."""

        def stop(job: _Job) -> None:
            job.reason = reason
            job.stop.set()

        self._command(run_id, stop)

    def turn(self, run_id: str, knob: str, factor: float) -> None:
        """Change a setting of a run between two steps.

        Args:
            knob: `learning_rate` or `weight/TERM`.
            factor: multiplies what the recipe says.
        """
        known = ["learning_rate", *(f"weight/{term.label}" for term in self.store.recipe(run_id).terms)]
        if knob not in known:
            raise ValueError(f"{knob!r} is not a knob of this run; it has {', '.join(known)}.")
        if not 0 <= factor <= 100:
            raise ValueError(f"A knob takes a factor from 0 to 100, not {factor:g}.")
        self._command(run_id, lambda job: job.knobs.put((knob, factor)))

    def estimate(self, recipe: Recipe) -> Estimate:
        """What a recipe will cost on this device. Takes a second for small networks; raises ValueError as a run would."""
        preflight.check(recipe, self.store)
        return estimate(recipe, device=self.device, runs=self.store)

    def examine(self, recipe: Recipe) -> Examination:
        """What the teacher of a recipe is worth; see `doctor`. Takes seconds; raises ValueError where it cannot be had."""
        return doctor.examine(recipe, device=self.device, runs=self.store)

    def active(self) -> tuple[str, ...]:
        """The runs that this process works on, the present one first."""
        with self._lock:
            return tuple(self._jobs)

    def wait(self, run_id: str, timeout: float | None = None) -> bool:
        """Block until a run of this process has ended; False where the time ran out."""
        with self._lock:
            job = self._jobs.get(run_id)
        return job.done.wait(timeout) if job else True

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything, each run with a checkpoint, and end the thread. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            job.reason = "The program that trained it was closed."
            job.stop.set()
            job.wake.set()
        self._queue.put(None)
        self._thread.join(timeout)
        atexit.unregister(self.close)

    def _enqueue(self, run_id: str, recipe: Recipe, *, resume: bool) -> None:
        closing = ExitStack()
        writer = closing.enter_context(self.store.writer(run_id))  # held from now on, so that the run counts as alive
        job = _Job(run_id, recipe, writer, resume, closing)
        with self._lock:
            if self._closed:
                closing.close()
                raise ValueError("The runner is closed; start the program again.")
            self._jobs[run_id] = job
        self._tell(job, Queued())
        self._queue.put(job)

    def _command(self, run_id: str, act: Callable[[_Job], None]) -> None:
        with self._lock:
            job = self._jobs.get(run_id)
        if job is None:
            status = self.store.state(run_id).status
            where = "it runs in another process; use that one" if status in ("running", "paused") else f"it is {status}"
            raise ValueError(f"Run {run_id} cannot be steered from here: {where}.")
        act(job)
        job.wake.set()

    def _work(self) -> None:
        arithmetic.settle()
        torch.set_num_threads(self.threads)
        while (job := self._queue.get()) is not None:
            try:
                self._drive(job)
            except Exception as error:  # the thread must live on for the next run, and this one must say why it ended
                self._tell(job, RunFailed(_in_words(error, self.device), traceback.format_exc()))
            finally:
                job.closing.close()
                with self._lock:
                    self._jobs.pop(job.run_id, None)
                job.parts = None
                job.done.set()

    def _drive(self, job: _Job) -> None:
        if job.stop.is_set():
            self._tell(job, RunStopped(self.store.state(job.run_id).step, job.reason))
            return
        for event in self._events(job):
            match event:
                case CheckpointReady():
                    self._save(job, event)
                case StepTaken():
                    pass
                case _:
                    self._tell(job, event)
            if isinstance(event, RunStarted) and job.parts:
                snapshots.begin(job.parts, job.writer)
            if isinstance(event, (StepTaken, Noted)) and not self._obey(job):
                return

    def _events(self, job: _Job) -> Iterator[Event]:
        (seed,) = job.recipe.seeds
        folder = self.store.folder(job.run_id)
        parts = yield from assemble(
            job.recipe,
            seed=seed,
            device=self.device,
            runs=self.store,
            teacher_file=folder / "teacher.safetensors",
        )
        if job.resume and (path := self.store.checkpoint(job.run_id)):
            yield Noted(f"Resuming from {path.name}.")
            parts.load_state(checkpoint.load(path))
        job.parts = parts
        yield from train(parts)

    def _obey(self, job: _Job) -> bool:
        """Take the commands that came since the last step. False: the run is to end here."""
        while not job.knobs.empty():
            knob, factor = job.knobs.get()
            if job.parts:
                job.parts.knobs[knob] = factor
                self._tell(job, KnobTurned(job.parts.step, knob, factor))
        if job.pause.is_set() and not job.stop.is_set() and job.parts:
            self._checkpoint_now(job)
            self._tell(job, RunPaused(job.parts.step))
            while job.pause.is_set() and not job.stop.is_set():
                job.wake.wait()
                job.wake.clear()
            if not job.stop.is_set():
                self._tell(job, RunResumed(job.parts.step))
        if job.stop.is_set():
            self._checkpoint_now(job)
            self._tell(job, RunStopped(job.parts.step if job.parts else 0, job.reason))
            return False
        return True

    def _checkpoint_now(self, job: _Job) -> None:
        if job.parts and job.parts.step and not job.writer.checkpoint_path(job.parts.step).is_file():
            self._save(job, CheckpointReady(job.parts.step, job.parts.epoch, job.parts.state()))

    def _save(self, job: _Job, ready: CheckpointReady) -> None:
        assert job.parts is not None
        path = job.writer.checkpoint_path(ready.step)
        described = {name: model.description() for name, model in job.parts.models.items()}
        checkpoint.save(ready.state, path, description=described)
        self._tell(job, CheckpointSaved(ready.step, ready.epoch, f"checkpoints/{path.name}"))
        _keep_newest(path.parent)
        snapshots.keep(job.parts, job.writer)

    def _tell(self, job: _Job, event: Event) -> None:
        job.writer.append(event)
        self.listener(job.run_id, event)


def _keep_newest(folder: Path) -> None:
    for old in sorted(folder.glob("*.safetensors"))[:-KEPT_CHECKPOINTS]:
        old.unlink()


def _in_words(error: Exception, device: torch.device) -> str:
    """The reason for whoever watches: our own messages as they are, the usual accidents explained."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return (
            f"The memory of {device} is full. A smaller data.batch_size or image_size, or a smaller model, needs less."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk is full: nothing more can be written. Free some space, then resume the run from its last checkpoint."
    if isinstance(error, (ValueError, FloatingPointError)):
        return str(error)
    return f"Something unexpected went wrong ({type(error).__name__}: {error}). The traceback below says where."


_runner: Runner | None = None
_making = threading.Lock()


def get() -> Runner:
    """The process's own runner, made at the first call. It leaves a core to the pages: two training threads that must wait
    for each other stall as soon as something else wants one of two cores."""
    global _runner
    with _making:
        if _runner is None:
            threads = None if os.environ.get("KD_THREADS") else max(1, (os.cpu_count() or 1) - 1)
            _runner = Runner(Store(runs_folder(), recorded=ASSETS / "runs"), threads=threads)
        return _runner
