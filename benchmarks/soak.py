"""Visits all pages, one browser after another, and prints what of the server grows meanwhile.

    python -m benchmarks.soak --minutes 15

Each visit is a browser of its own that opens every page, a run and a study, and leaves. After each round a line: memory, open files
and threads of the server, and the size of its folders. The first rounds fill caches: at the end, the dictionaries, lists and caches
of this project and the kinds of objects that have grown in the second half of the time. What grows is named with its limit in
docs/reliability.md, "Growth".
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.app import browser as browsers
from benchmarks.hostile import PAGES, PASSCODE, Visitor, serving
from kdcore.files import budget
from kdcore.paths import ASSETS
from kdcore.recipe import study
from kdcore.store import Store, Studies

SETTLED_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    browsers.PATIENCE_SECONDS = 600.0
    with tempfile.TemporaryDirectory(prefix="kd-soak-") as name:
        folder = Path(name)
        store = Store(folder / "runs")
        store.root.mkdir()
        recording = next((ASSETS / "runs").iterdir())
        run_id = shutil.copytree(recording, store.root / recording.name.replace("recording", "copy")).name
        study_id = Studies(store).create(study.named("temperature"))
        places = [
            *((page, "") for page in PAGES),
            ("runs", f"run={run_id}"),
            ("train", f"run={run_id}"),
            ("studies", f"study={study_id}"),
        ]
        with serving(folder, "benchmarks.held") as (port, process):
            soak(port, process.pid, folder, places, options.minutes)


def soak(port: int, process: int, folder: Path, places: list[tuple[str, str]], minutes: float) -> None:
    began, number = time.monotonic(), 0
    half: dict[str, int] = {}
    print("minutes  visits  memory MiB  open files  threads  runs MiB  data MiB  files")
    while time.monotonic() - began < 60 * minutes:
        for operating in (False, True):
            try:
                visit_all(port, places, operating)
            except TimeoutError:  # on a machine with more work than processors
                print("a visit was not complete in time", flush=True)
            number += 1
        print(f"{(time.monotonic() - began) / 60:7.1f}  {number:6}  {state(process, folder)}", flush=True)
        if not half and time.monotonic() - began > 30 * minutes:
            half = held(process, folder)
    if half:
        print_growth(half, held(process, folder))


def visit_all(port: int, places: list[tuple[str, str]], operating: bool) -> None:
    """One browser, a visitor's or the operator's, that opens each place and leaves. Raises TimeoutError."""
    with Visitor(port) as browser:
        if operating:
            browser.visit("train")
            browser.enter(PASSCODE)
        for place in places:
            browser.visit(*place)


def state(process: int, folder: Path) -> str:
    """Of the server's process: memory, open files and threads; and of its folders: sizes and number of files."""
    status = Path(f"/proc/{process}/status").read_text()
    of = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("VmRSS", "Threads"))}
    runs, data = (budget.size(folder / name) / 2**20 if (folder / name).exists() else 0.0 for name in ("runs", "data"))
    opened = len(os.listdir(f"/proc/{process}/fd"))
    files = sum(len(names) for _, _, names in os.walk(folder))
    return f"{int(of['VmRSS']) / 1024:10.0f}  {opened:10}  {of['Threads']:>7}  {runs:8.1f}  {data:8.1f}  {files:5}"


def held(process: int, folder: Path) -> dict[str, int]:
    """What the server holds, as `benchmarks.held` counts it; waits a minute first, in which Streamlit ends what visits left."""
    time.sleep(SETTLED_SECONDS)
    report = folder / "held.json"
    report.unlink(missing_ok=True)
    os.kill(process, signal.SIGUSR1)
    while not report.exists():
        time.sleep(0.2)
    counts: dict[str, int] = json.loads(report.read_text())
    return counts


def print_growth(half: dict[str, int], end: dict[str, int]) -> None:
    """The places with more entries at the end than at half of the time; of objects, the kinds with some more."""
    grown = {name: (half.get(name, 0), count) for name, count in end.items() if count > half.get(name, 0)}
    containers = sum(not name.startswith("objects") for name in end)
    print(
        f"\n{containers} dictionaries, lists and caches of this project; those that have grown since half of the time:"
    )
    for name, (before, after) in sorted(grown.items()):
        if not name.startswith("objects"):
            print(f"  {name}: {before} -> {after}")
    objects = {name: of for name, of in grown.items() if name.startswith("objects") and of[1] - of[0] >= 50}
    print(f"kinds of objects with at least 50 more ({len(objects)}):")
    for name, (before, after) in sorted(objects.items(), key=lambda item: item[1][0] - item[1][1])[:20]:
        print(f"  {name.removeprefix('objects: ')}: {before} -> {after}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
