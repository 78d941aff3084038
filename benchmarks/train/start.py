"""Seconds from Start to the first step of the recipe `quick`."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RECIPE = "quick"
COLD, FIRST, AGAIN = "with Python and imports", "first start in the app", "second start"


def waits(rounds: int) -> dict[str, list[float]]:
    """Wall seconds: in a new process, as in a terminal; in the app, whose Train page has estimated the recipe's cost; and
    in an app that has run it before."""
    found: dict[str, list[float]] = {COLD: [], FIRST: [], AGAIN: []}
    for _ in range(rounds):
        found[COLD] += _in_a_process(priced=False)
        first, again = _in_a_process(priced=True)
        found[FIRST].append(first)
        found[AGAIN].append(again)
    return found


def _in_a_process(*, priced: bool) -> list[float]:
    began = str(time.time())
    command = [sys.executable, "-m", "benchmarks.train.start", began, *(["priced"] if priced else [])]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds: list[float] = json.loads(output.splitlines()[-1])
    return seconds


def press(began: float, folder: Path, *, priced: bool) -> float:
    """Start the recipe in a new Runner and stop it after its first step; seconds from `began`, or from the start where its
    cost is estimated first."""
    from kdcore.events import Event, StepEnded
    from kdcore.recipe import library  # imported here: a cold start waits for it
    from kdcore.runner import Runner
    from kdcore.store import Store

    stepped, moments = threading.Event(), []

    def listen(_run_id: str, event: Event) -> None:
        if isinstance(event, StepEnded):
            moments.append(time.time())
            stepped.set()

    recipe = library.recipe(RECIPE)
    runner = Runner(Store(folder), threads=max(1, (os.cpu_count() or 1) - 1))  # as many as the app gives it
    runner.listener = listen
    if priced:
        runner.estimate(recipe)
        began = time.time()
    runner.start(recipe)
    stepped.wait()
    runner.close()
    return float(moments[0] - began)


if __name__ == "__main__":
    began, priced = float(sys.argv[1]), sys.argv[2:] == ["priced"]
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as runs:
        print(json.dumps([press(began, Path(runs), priced=priced) for _ in range(1 + priced)]))
