"""Visits all pages, one browser after another, and prints what of the server grows meanwhile.

    python -m benchmarks.soak --minutes 15

Each visit is a browser of its own that opens every page, a run and a study, and leaves. After each round a line: memory, open files
and threads of the server, and the size of its folders. The first round fills caches; what still grows after it is named with
its limit in docs/reliability.md, "Growth".
"""

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.hostile import PAGES, PASSCODE, Visitor, serving
from kdcore.files import budget
from kdcore.paths import ASSETS
from kdcore.recipe import study
from kdcore.store import Store, Studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
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
        with serving(folder) as (port, process):
            soak(port, process.pid, folder, places, options.minutes)


def soak(port: int, process: int, folder: Path, places: list[tuple[str, str]], minutes: float) -> None:
    began, number = time.monotonic(), 0
    print("minutes  visits  memory MiB  open files  threads  runs MiB  data MiB  files")
    while time.monotonic() - began < 60 * minutes:
        for operating in (False, True):
            with Visitor(port) as browser:
                if operating:
                    browser.visit("train")
                    browser.enter(PASSCODE)
                for place in places:
                    try:
                        browser.visit(*place)
                    except TimeoutError:  # on a machine with more work than processors
                        print(f"{place}: not complete in time", flush=True)
                        break
            number += 1
        print(f"{(time.monotonic() - began) / 60:7.1f}  {number:6}  {state(process, folder)}", flush=True)


def state(process: int, folder: Path) -> str:
    """Of the server's process: memory, open files and threads; and of its folders: sizes and number of files."""
    status = Path(f"/proc/{process}/status").read_text()
    of = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("VmRSS", "Threads"))}
    runs, data = (budget.size(folder / name) / 2**20 if (folder / name).exists() else 0.0 for name in ("runs", "data"))
    opened = len(os.listdir(f"/proc/{process}/fd"))
    files = sum(len(names) for _, _, names in os.walk(folder))
    return f"{int(of['VmRSS']) / 1024:10.0f}  {opened:10}  {of['Threads']:>7}  {runs:8.1f}  {data:8.1f}  {files:5}"


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
