"""A run in a terminal while it trains: a progress bar or lines of JSON, Ctrl-C, and the exit status."""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kdcore.cli import run_results
from kdcore.cli.options import set_title, store, torch_device
from kdcore.errors import UserError
from kdcore.events import (
    Evaluated,
    Event,
    KnobTurned,
    Noted,
    Queued,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopped,
    StepEnded,
)
from kdcore.files import disk
from kdcore.results import json_text
from kdcore.results.comparison import Outcome, minus
from kdcore.results.diagnoses import Diagnosis
from kdcore.runtime import processes
from kdcore.store import RunState
from kdcore.store.evidence import diagnoses, what_else
from kdcore.store.replay import adjustments

if TYPE_CHECKING:
    from kdcore.runner import Runner
    from kdcore.runner.studies import Runs


class Watcher(Protocol):
    """Shows the events of runs. `take` is called from the training thread; `close` may be called more than once."""

    def take(self, run_id: str, event: Event) -> None: ...
    def close(self) -> None: ...
    def show_seeds(self, finished: list[Outcome], planned: int) -> None: ...
    def show_findings(self, run_id: str, passed_on: str, faults: Sequence[Diagnosis]) -> None: ...


class JsonLines:
    """Every event as one line of JSON on standard output. When its reader has left, the runs are stopped, as by Ctrl-C."""

    def __init__(self) -> None:
        self._left = False

    def take(self, run_id: str, event: Event) -> None:
        try:
            print(json_text.text({"run": run_id, "time": round(time.time(), 3), **event.to_plain()}), flush=True)
        except BrokenPipeError:  # `head`, for example, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._left = True
            _thread.interrupt_main()
        if self._left and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a script begins with `&`
            _thread.interrupt_main(signal.SIGTERM)

    def close(self) -> None:
        pass

    def show_seeds(self, finished: list[Outcome], planned: int) -> None:
        pass

    def show_findings(self, run_id: str, passed_on: str, faults: Sequence[Diagnosis]) -> None:
        """No events; `runs show` has them."""


class Silence:
    """Shows nothing; the run's files have it all."""

    def take(self, run_id: str, event: Event) -> None: ...
    def close(self) -> None: ...
    def show_seeds(self, finished: list[Outcome], planned: int) -> None: ...
    def show_findings(self, run_id: str, passed_on: str, faults: Sequence[Diagnosis]) -> None: ...


class Bar:
    """A progress bar for the current run, with notes and validation results above it; without the notes that are `shown` already."""

    def __init__(self, shown: Collection[str] = ()) -> None:
        self.shown = shown
        self.console = Console(markup=False)  # messages may have square brackets
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=self.console,
        )  # fmt: skip
        self.task = self.bar.add_task("preparing", total=None, figures="")
        self._lock = threading.Lock()
        self._closed = False
        self.bar.start()

    def take(self, run_id: str, event: Event) -> None:
        with self._lock:
            match event:
                case Queued():
                    self.console.print(f"run {run_id}")
                case Noted(text=text, level=level) if text not in self.shown:
                    self.console.print(text, style="yellow" if level == "warning" else "dim")
                case RunStarted():
                    self.bar.update(self.task, description="training", total=event.steps, completed=event.step)
                    self.console.print(
                        f"{event.train_images} training images, {event.labelled_images} of them labelled; {event.device}, {event.precision}"
                    )
                case StepEnded():
                    loss = event.losses["student"]["total"]
                    written = f"loss {minus(f'{loss:.3f}')}  {event.images_per_second:.0f} images/s"
                    self.bar.update(self.task, completed=event.step, figures=written)
                case Evaluated(epoch=epoch, metrics=figures):
                    accuracies = "  ".join(f"{name} {100 * numbers['top1']:.1f} %" for name, numbers in figures.items())
                    self.console.print(f"epoch {epoch:g}: validation accuracy {accuracies}", highlight=False)
                case RunPaused(step=step):
                    self.bar.update(self.task, description="paused")
                    self.console.print(f"paused at step {step}; the run's page in the app continues it")
                case RunResumed(step=step):
                    self.bar.update(self.task, description="training")
                    self.console.print(f"continued at step {step}")
                case KnobTurned(values=values):
                    change = event.to_plain() | {"old": values.get("old"), "new": values.get("new")}
                    self.console.print(adjustments.sentence(change), highlight=False)
                case RunFailed(reason=reason):
                    self.console.print(f"failed: {reason}", style="red")
                case RunStopped(step=step, reason=reason):
                    self.console.print(
                        f"stopped at step {step}: {reason} Continue with: python -m kdcore runs resume {run_id}"
                    )
                case RunFinished(results=results):
                    run_results.show(self.console, Outcome(results, turned=turned(run_id)))
                case _:
                    pass

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.bar.stop()

    def show_seeds(self, finished: list[Outcome], planned: int) -> None:
        run_results.show_seeds(self.console, finished, planned)

    def show_findings(self, run_id: str, passed_on: str, faults: Sequence[Diagnosis]) -> None:
        if passed_on:
            self.console.print(f"{run_id}: {passed_on}", highlight=False)
        run_results.show_diagnoses(self.console, faults, f"{run_id}: ")


@contextlib.contextmanager
def running(
    *,
    device: str | None = None,
    as_json: bool = False,
    quiet: bool = False,
    shown: Collection[str] = (),
    tensorboard: list[Path] | None = None,
) -> "Iterator[tuple[Runner, Watcher]]":
    """A runner whose events are shown; both are closed at the end.

    Args:
        shown: notes that were shown already.
        tensorboard: write event files of all its runs, into the folder in the list or into their own.

    Raises:
        UserError: the folder of event files cannot be made.
    """
    from kdcore.runner import Runner

    event_folder = writable(tensorboard[0]) if tensorboard else None
    runner = Runner(store(), device=str(torch_device(device)))
    if tensorboard is not None:
        runner.event_files.write_all(event_folder)
    watcher: Watcher = JsonLines() if as_json else Silence() if quiet else Bar(shown)
    runner.listener = watcher.take
    try:
        yield runner, watcher
    finally:
        watcher.close()
        runner.close()


def writable(folder: Path) -> Path:
    """A folder for event files, made where it is missing. Raises UserError."""
    with disk.in_words(folder, then="run the command again"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def follow(runner: "Runner", ids: list[str], watcher: Watcher) -> int:
    """Wait for the runs; of several, show their mean. Returns the exit status."""
    uninterrupted = waited(runner, ids)
    watcher.close()
    if not uninterrupted:
        return 130
    states: list[RunState] = [runner.store.state(run_id) for run_id in ids]
    finished = [runner.store.outcome(state.id) for state in states if state.status == "finished"]
    for state in states:
        watcher.show_findings(state.id, what_else(runner.store, state.id, set_title), diagnoses(runner.store, state.id))
    if len(finished) > 1:
        watcher.show_seeds(finished, len(ids))
    return 0 if len(finished) == len(states) else 1


def waited(runner: "Runs", ids: list[str], meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Wait for the runs. False after Ctrl-C or SIGTERM, which stop the current run with a checkpoint, and the queued ones.

    Args:
        meanwhile: called every moment.
    """
    with sigterm_as_interrupt():
        try:
            for run_id in ids:
                while not runner.wait(run_id, timeout=0.2):
                    meanwhile()
        except KeyboardInterrupt:
            stopped(runner)
            return False
    return True


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM, which a scheduler or a container sends before it kills, counts as Ctrl-C within the block; a second one is ignored.

    Processes of torchrun do so from their start, and a command that is called in another thread cannot.
    """
    if processes.launched() or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(
            signal.SIGTERM, signal.SIG_DFL if before is None else before
        )  # None: of a library that is not Python


def _interrupt(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def stopped(runner: "Runs") -> None:
    """Stop all runs, those in progress with a checkpoint, and wait for their end."""
    ids = runner.active()
    for run_id in reversed(ids):  # queued ones first, so that none of them starts
        with contextlib.suppress(UserError):  # it has just ended
            runner.stop(run_id, "Interrupted in the terminal.")
    for run_id in ids:
        runner.wait(run_id, timeout=30)


def turned(run_id: str) -> tuple[str, ...]:
    """The settings that a user changed during the run."""
    try:
        return store().state(run_id).outcome.turned
    except UserError:  # deleted meanwhile
        return ()


@contextlib.contextmanager
def bar() -> Iterator[Any]:
    """A progress bar on standard error, which disappears at the end."""
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None, left="")

        def show(done: float, total: float, seconds: float | None, what: str) -> None:
            left = "" if seconds is None else f"{seconds:.0f} s left"
            progress.update(task, completed=done, total=total or 1, description=what, left=left)

        yield show
