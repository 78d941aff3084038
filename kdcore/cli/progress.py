"""A run as a terminal shows it: a bar with its figures, or JSON lines, and the summary at the end."""

import json
import threading
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from kdcore import metrics
from kdcore.events import Evaluated, Event, Noted, Queued, RunFailed, RunFinished, RunStarted, RunStopped, StepEnded
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
    """Wait for the runs; Ctrl-C stops the present one with a checkpoint. Returns the exit status."""
    try:
        for run_id in ids:
            while not runner.wait(run_id, timeout=0.2):
                pass
    except KeyboardInterrupt:
        for run_id in runner.active():
            runner.stop(run_id, "Interrupted from the keyboard.")
        for run_id in ids:
            runner.wait(run_id, timeout=30)
        watcher.close([])
        return 130
    states = [runner.store.state(run_id) for run_id in ids]
    watcher.close(states)
    return 0 if all(state.status == "finished" for state in states) else 1


def show_results(console: Console, results: dict[str, dict[str, float]]) -> None:
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
    if difference := results.get("difference"):
        console.print(verdict(difference["top1"], difference["low"], difference["high"]), highlight=False)


def show_seeds(console: Console, finished: list[dict[str, dict[str, float]]]) -> None:
    """Mean over seeds with its interval, network by network, and of student less twin."""
    console.print(f"over {len(finished)} seeds (mean, 95 % interval by Student's t):")
    for network in ("teacher", "student", "twin"):
        if all(network in results for results in finished):
            mean, low, high = metrics.over_seeds([results[network]["top1"] for results in finished])
            console.print(f"  {network:8} {mean:.2%} ({low:.2%} to {high:.2%})", highlight=False)
    if all("difference" in results for results in finished):
        console.print(
            "  " + verdict(*metrics.over_seeds([results["difference"]["top1"] for results in finished])),
            highlight=False,
        )


def verdict(difference: float, low: float, high: float) -> str:
    """Student less twin as a sentence; a difference is only called one where its interval leaves out zero."""
    told = f"student less twin: {100 * difference:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
    if low > 0:
        return f"{told}: the teacher helps"
    if high < 0:
        return f"{told}: the teacher hurts"
    return f"{told}: no difference that this test can show"
