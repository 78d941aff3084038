"""A run as a terminal shows it: a bar with its figures, or JSON lines, and the summary at the end."""

import contextlib
import json
import threading
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from kdcore.events import Evaluated, Event, Noted, Queued, RunFailed, RunFinished, RunStarted, RunStopped, StepEnded
from kdcore.results.comparison import TWO_CLASSES, Results, Summary, covers, sentence, summarise
from kdcore.runner import Runner
from kdcore.store import RunState


class Watcher(Protocol):
    def take(self, run_id: str, event: Event) -> None: ...
    def close(self, states: list[RunState]) -> None: ...


class JsonLines:
    """Every event as one JSON line on standard output."""

    def take(self, run_id: str, event: Event) -> None:
        print(json.dumps({"run": run_id, "time": round(time.time(), 3), **event.to_plain()}), flush=True)

    def close(self, states: list[RunState]) -> None:
        pass


class Bar:
    """A progress bar for the present run; notes and validation results above it. Called from the training thread."""

    def __init__(self) -> None:
        self.console = Console()
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=self.console,
        )  # fmt: skip
        self.task = self.bar.add_task("preparing", total=None, told="")
        self.bar.start()
        self._lock = threading.Lock()

    def take(self, run_id: str, event: Event) -> None:
        with self._lock:
            match event:
                case Queued():
                    self.console.print(f"run {run_id}")
                case Noted(text=text, level=level):
                    self.console.print(text, style="yellow" if level == "warning" else "dim")
                case RunStarted():
                    self.bar.update(self.task, description="training", total=event.steps, completed=event.step)
                    self.console.print(
                        f"{event.train_images} training images, {event.labelled_images} with a label; {event.device}, {event.precision}"
                    )
                case StepEnded():
                    loss = event.losses["student"]["total"]
                    self.bar.update(
                        self.task, completed=event.step, told=f"loss {loss:.3f}  {event.images_per_second:.0f} images/s"
                    )
                case Evaluated(epoch=epoch, metrics=figures):
                    told = "  ".join(f"{name} {numbers['top1']:.1%}" for name, numbers in figures.items())
                    self.console.print(f"epoch {epoch:g}: {told} (held-out images right)", highlight=False)
                case RunFailed(reason=reason, traceback=trace):
                    self.console.print(f"failed: {reason}", style="red")
                    self.console.print(trace, style="dim", highlight=False)
                case RunStopped(step=step, reason=reason):
                    self.console.print(
                        f"stopped at step {step}: {reason} Continue with: python -m kdcore runs resume {run_id}"
                    )
                case RunFinished(results=results):
                    show_results(self.console, results)
                case _:
                    pass

    def close(self, states: list[RunState]) -> None:
        self.bar.stop()
        finished = [state.results for state in states if state.status == "finished"]
        if len(finished) > 1:
            show_seeds(self.console, finished)


def follow(runner: Runner, ids: list[str], watcher: Watcher) -> int:
    """Wait for the runs, and sum them up. Returns the exit status."""
    if not waited(runner, ids):
        watcher.close([])
        return 130
    states = [runner.store.state(run_id) for run_id in ids]
    watcher.close(states)
    return 0 if all(state.status == "finished" for state in states) else 1


def waited(runner: Runner, ids: list[str]) -> bool:
    """Wait for the runs; Ctrl-C stops the present one with a checkpoint, and the others: then False."""
    try:
        for run_id in ids:
            while not runner.wait(run_id, timeout=0.2):
                pass
    except KeyboardInterrupt:
        for run_id in reversed(runner.active()):  # those that wait first, so that none of them begins
            with contextlib.suppress(ValueError):  # it has ended just now
                runner.stop(run_id, "Interrupted from the keyboard.")
        for run_id in ids:
            runner.wait(run_id, timeout=30)
        return False
    return True


def show_results(console: Console, results: Results) -> None:
    """A run's test figures with their intervals, and what they say."""
    table = Table("network", "test images right", "95 % interval", "calibration error", "answers as the teacher")
    for network in ("teacher", "student", "twin"):
        if figures := results.get(network):
            agrees = results.get("agreement", {}).get(network)
            table.add_row(
                network, f"{figures['top1']:.2%}", f"{figures['low']:.2%} to {figures['high']:.2%}",
                f"{figures['ece']:.3f}", "" if agrees is None else f"{agrees:.1%}",
            )  # fmt: skip
    console.print(table)
    for network in ("teacher", "student", "twin"):
        if told := [f"{name} {results[network][name]:.3f}" for name in TWO_CLASSES if name in results.get(network, {})]:
            console.print(f"{network}: {', '.join(told)}", highlight=False)
    say_verdict(console, summarise([results]))


def show_seeds(console: Console, finished: list[Results]) -> None:
    """Mean over seeds with its interval, network by network, and of student less twin."""
    summary = summarise(finished)
    table = Table("network", f"test images right, {summary.seeds} seeds", "95 % interval")
    for network, figures in summary.networks.items():
        top1 = figures["top1"]
        table.add_row(network, f"{top1.mean:.2%}", f"{top1.low:.2%} to {top1.high:.2%}")
    console.print(table)
    say_verdict(console, summary)


def say_verdict(console: Console, summary: Summary) -> None:
    if summary.difference:
        console.print(f"Student: {sentence(summary)}", highlight=False)
        console.print(covers(summary), highlight=False, style="dim")
