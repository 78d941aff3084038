"""The estimated time left of a run against the truth, at each logged step from a fifth of the run on.

    python -m benchmarks.time_left [RUN ...]        of finished runs in KD_RUNS; without one, `quick` is trained for it

The estimate is what the pages showed then: `kdcore.store.replay.pace` replayed from the run's events. The last 5 % of the run are left
out, where seconds count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kdcore import paths
from kdcore.store.replay.pace import Pace

FROM, TO = 0.2, 0.95  # of the run
NEAR = 0.2  # the goal: within this share of the truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="*", metavar="RUN")
    runs = parser.parse_args().runs
    if runs:
        report([paths.runs_folder() / run for run in runs])
        return
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        subprocess.run(
            [sys.executable, "-m", "kdcore", "distill", "quick"], env=os.environ | {"KD_RUNS": folder}, check=True
        )
        report([each.parent for each in Path(folder).glob("*/events.jsonl")])


def report(folders: list[Path]) -> None:
    print("| run | seconds | estimates | within 20 % | median error | largest |\n|---|---|---|---|---|---|")
    for folder in folders:
        if not (folder / "events.jsonl").is_file():
            raise SystemExit(f"There is no run {folder.name} in {folder.parent}.")
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        took, errors = measured(events)
        near = sum(abs(each) <= NEAR for each in errors) / len(errors)
        sizes = [abs(each) for each in errors]
        print(
            f"| {folder.name} | {took:.0f} | {len(errors)} | {near:.0%} | {statistics.median(sizes):.0%} | {max(sizes):.0%} |"
        )


def measured(events: list[dict[str, Any]]) -> tuple[float, list[float]]:
    """Seconds from the start to the end, and each estimate's error as a share of the true time left."""
    pace, started, end, errors = Pace(), {}, events[-1]["time"], []
    for event in events:
        if event["event"] == "RunStarted":
            started = event
            if "validation_images" not in event:
                raise SystemExit("This run is of a version that did not record what a time needs; choose a newer one.")
        pace.take(event)
        if event["event"] == "StepEnded" and FROM <= event["step"] / started["steps"] <= TO:
            left = pace.remaining(event["step"], started["steps"], started["epochs"])
            if left is not None:
                errors.append(left / (end - event["time"]) - 1)
    return end - started["time"], errors


if __name__ == "__main__":
    main()
