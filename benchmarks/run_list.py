"""The page Runs with many runs: CPU seconds of its first and its following views, and memory.

    python -m benchmarks.run_list [--runs 5000] [--folder FOLDER] [--json FILE]

Makes small runs of a sweep, of several seeds and of single recipes, with labels, and opens the page as Streamlit runs it, without
a browser. Every process starts anew: the first reads runs that no process has read before, the second finds their cached states.
With `--folder` the runs stay there, to look at them: `KD_RUNS=FOLDER streamlit run app.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.scale.parts import taken, timed
from kdcore import recipe as recipes
from kdcore.paths import ASSETS, PROJECT
from kdcore.recipe import Recipe, library

RECORDING = next((ASSETS / "runs").iterdir())
STEPS = 20  # logged of each run
NEWEST = 1_795_900_000  # 2026-11-29, seconds since 1970
MINUTES = 7  # between two runs
KINDS = ("quick", "cnn-to-vit-small", "all-labels")


def make(folder: Path, count: int) -> None:
    """So many runs: of three, one is of a sweep over weight and learning rate, the others are single recipes with seeds."""
    recorded = [json.loads(line) for line in (RECORDING / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    bundled = {name: library.recipe(name) for name in KINDS}
    for place in range(count):
        recipe = swept(bundled["quick"], place) if place % 3 == 0 else seeded(bundled[KINDS[place % len(KINDS)]], place)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(NEWEST - 60 * MINUTES * place))
        run = folder / f"{stamp}-{recipe.name[:20].replace(' ', '-').replace(':', '').replace(',', '')}-{place:04x}"
        run.mkdir(parents=True)
        (run / "recipe.yaml").write_text(recipe.to_full_yaml(), encoding="utf-8")
        (run / "events.jsonl").write_text("".join(lines(recorded, place)), encoding="utf-8")
        if place % 10 == 0:
            label = {"tags": ["talk", f"week {place // 100}"], "note": "Looks right.", "archived": place % 100 == 0}
            (run / "label.json").write_text(json.dumps(label), encoding="utf-8")


def swept(recipe: Recipe, place: int) -> Recipe:
    weight, rate, seed = (place // 9) % 5 / 4, (0.001, 0.002, 0.004)[place // 3 % 3], place // 45 % 3
    changes = {"terms.1.weight": weight, "optimizer.lr": rate, "seeds": [seed]}
    name = f"weight and rate {place // 135}: kd weight {weight:g}, lr {rate:g}, seed {seed}"
    return recipes.with_values(recipe, changes | {"name": name})


def seeded(recipe: Recipe, place: int) -> Recipe:
    return recipes.with_values(recipe, {"seeds": [place // 3 % 5], "data.labels": 100 * (1 + place // 15 % 9)})


def lines(recorded: list[dict[str, Any]], place: int) -> list[str]:
    """Events like those of the bundled recording, with few steps and other results."""
    steps = [event for event in recorded if event["event"] == "StepEnded"][:STEPS]
    others = [event for event in recorded if event["event"] in ("RunStarted", "Evaluated", "RunFinished")]
    others = others[:1] + [event for event in others if event["event"] == "Evaluated"][-2:] + others[-1:]
    ended = json.loads(json.dumps(others[-1]))
    for name in ("top1", "low", "high"):
        ended["results"]["student"][name] -= (place * 37 % 100) / 1000
    events = [others[0], *steps, *others[1:-1], ended if place % 17 else {"event": "RunStopped", "step": 9, "reason": "Stopped.", "time": 0}]  # fmt: skip
    return [
        json.dumps(event | {"time": NEWEST - 60 * MINUTES * place + second}) + "\n"
        for second, event in enumerate(events)
    ]


# --- what is measured, each process by itself ------------------------------------------------------------------------------


def page(folder: Path) -> dict[str, Any]:
    """The views of the page, in order."""
    from streamlit.testing.v1 import AppTest

    from pages.parts import engine
    from pages.parts.roles import role

    role.is_operator = lambda: True
    ids = engine.store().ids()  # loads torch, which the server did long before
    test = AppTest.from_file(str(PROJECT / "pages" / "parts" / "shell.py"), default_timeout=600)
    test.switch_page(str(PROJECT / "pages" / "runs.py"))
    views: dict[str, Callable[[], Any]] = {
        "first view": lambda: None, "again": lambda: None,
        "search": lambda: test.text_input(key="q").set_value("kd 0.75"),
        "grouped": lambda: [test.text_input(key="q").set_value(""), test.selectbox(key="group").set_value("Recipe")],
        "one run": lambda: [test.selectbox(key="group").set_value("Nothing"), test.query_params.update({"run": ids[1]})],
        "three compared": lambda: test.query_params.update({"run": [ids[0], ids[3], ids[6]]}),
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name, change in views.items():
        change()
        _, found[name] = timed(test.run)
        if test.exception:
            raise RuntimeError(f"{name}: {test.exception}")
    return found | taken()


def alone(folder: Path) -> dict[str, Any]:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.run_list", "--page", str(folder)],
        cwd=PROJECT, check=True, stdout=subprocess.PIPE,
        env=os.environ | {"KD_RUNS": str(folder), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="keep the runs in this new folder")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--page", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.page:
        print(json.dumps(page(options.page)))
        return
    with tempfile.TemporaryDirectory(prefix="kd-runs-") as name:
        folder = options.folder or Path(name) / "runs"
        make(folder, options.runs)
        figures = {process: alone(folder) for process in ("first process", "next process")}
    for process, found in figures.items():
        print(process)
        for view, value in found.items():
            print(
                f"  {view}: "
                + (f"{value[1]:.2f} s CPU ({value[0]:.2f} s)" if isinstance(value, list) else f"{value:.0f} MiB")
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
