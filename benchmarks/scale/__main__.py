"""How the engine scales: images of a dataset, events of a run, number of runs.

    python -m benchmarks.scale [images folder events runs] [--images 1000 ... 1000000] [--events ...] [--runs ...] [--json FILE]

Every figure comes from a process of its own, so that peak memory is its own. Seconds are wall and CPU seconds of that
process, with one thread of torch; "held" is in main memory, "streamed" is read from a mapped file by the prefetching
thread, as in a run whose images do not fit. Needs 7 GiB of disk for a million images.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.paths import ASSETS, PROJECT

Figures = dict[str, Any]
RECORDING = next((ASSETS / "runs").iterdir())
EVENTS_A_RUN = 200  # in each of many runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", default=[], metavar="images|folder|events|runs")
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--photos", type=int, nargs="+", default=[500, 2_000])
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 100, 1_000, 5_000])
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="kd-scale-") as name:
        folder = Path(name)
        for part, measure in PARTS.items():
            if part in (options.parts or PARTS):
                figures[part] = measure(options, folder / part)
                report(part, figures[part])
                shutil.rmtree(folder / part, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def images(options: argparse.Namespace, folder: Path) -> list[Figures]:
    """Synthetic images, held and streamed: reading them, and batches of them."""
    rows = []
    for count in options.images:
        for how in ("held", "streamed", "streamed again"):
            found = alone("load_synthetic", folder, count=count, streamed=how != "held")
            rows.append({"images": count, "how": how, **found})
        shutil.rmtree(folder / "decoded")
    return rows


def photos(options: argparse.Namespace, folder: Path) -> list[Figures]:
    """JPEGs of 256 pixels in class folders, decoded to 64."""
    rows = []
    for count in options.photos:
        draw_photos(folder / "photos", count)
        for how in ("held", "streamed", "streamed again"):
            found = alone("load_photos", folder, count=count, streamed=how != "held")
            rows.append({"images": count, "how": how, **found})
        shutil.rmtree(folder)
    return rows


def events(options: argparse.Namespace, folder: Path) -> list[Figures]:
    """One run of so many events: opened, opened again by another process, updated, and sent to a browser."""
    rows = []
    for count in options.events:
        write_run(folder / "20260101-000000-long", count)
        first, again = (alone("open_run", folder, count=count) for _ in range(2))
        rows.append({"events": count, "first opening": first.pop("opening"), "opening": again["opening"], **again})
        shutil.rmtree(folder)
    return rows


def runs(options: argparse.Namespace, folder: Path) -> list[Figures]:
    """So many runs: listed first, listed by another process, listed again, and shown on the Runs page."""
    rows = []
    for count in options.runs:
        for place in range(count):
            stamp = f"202601{1 + place // 1440:02}-{place // 60 % 24:02}{place % 60:02}00"
            write_run(folder / f"{stamp}-run", EVENTS_A_RUN, name=f"run {place}")
        first, again = (alone("list_runs", folder, page=turn) for turn in (False, True))
        rows.append({"runs": count, "first listing": first["listing"], "listing": again.pop("listing"), **again})
        shutil.rmtree(folder)
    return rows


PARTS: dict[str, Callable[[argparse.Namespace, Path], list[Figures]]] = {
    "images": images, "folder": photos, "events": events, "runs": runs,
}  # fmt: skip


# --- what is measured, each in a process of its own ------------------------------------------------------------------------


def alone(what: str, folder: Path, **arguments: Any) -> Figures:
    """Call a function of `benchmarks.scale.parts` in a new process; its figures, and the process's peak of memory."""
    folder.mkdir(parents=True, exist_ok=True)
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.parts", what, str(folder), json.dumps(arguments)],
        cwd=PROJECT, check=True, stdout=subprocess.PIPE,
        env=os.environ | {"KD_DATA": str(folder), "KD_RUNS": str(folder), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    found: Figures = json.loads(output.stdout.splitlines()[-1])
    return found


def write_run(folder: Path, steps: int, name: str = "long") -> None:
    """A run like the bundled recording, with so many logged steps."""
    recorded = [json.loads(line) for line in (RECORDING / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = [event for event in recorded if event["event"] == "StepEnded"]
    (started,) = [event for event in recorded if event["event"] == "RunStarted"]
    ends = [event for event in recorded if event["event"] in ("Evaluated", "RunFinished")]
    folder.mkdir(parents=True)
    recipe = (RECORDING / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe.replace("name: ", f"name: {name}, ", 1), encoding="utf-8")
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps(started | {"steps": steps}) + "\n")
        for step in range(1, steps + 1):
            event = logged[step % len(logged)] | {"step": step, "epoch": started["epochs"] * step / steps}
            file.write(json.dumps(event) + "\n")
        for event in ends:
            file.write(json.dumps(event | {"step": steps}) + "\n")


def draw_photos(folder: Path, count: int) -> None:
    import cv2

    random = np.random.default_rng(0)
    for place in range(count):
        (folder / f"class{place % 10}").mkdir(parents=True, exist_ok=True)
        smooth = cv2.resize(random.integers(0, 256, (16, 16, 3), dtype=np.uint8), (256, 256))
        cv2.imwrite(str(folder / f"class{place % 10}" / f"{place}.jpg"), smooth)


def report(part: str, rows: list[Figures]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{part}: s wall (s CPU), MiB")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "how" else "right")
    for row in rows:
        table.add_row(*(shown(value) for value in row.values()))
    Console(width=150).print(table)


def shown(value: Any) -> str:
    match value:
        case [wall, cpu]:
            return f"{wall:.3f} ({cpu:.3f})" if wall < 10 else f"{wall:.0f} ({cpu:.0f})"
        case float():
            return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
    return str(value)


if __name__ == "__main__":
    main()
