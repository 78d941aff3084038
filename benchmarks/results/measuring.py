"""Runs what a table is missing, one run after another. What was cut resumes where it was; what is finished is not repeated.

The runs are in a folder of their own: `KD_RESULTS`, else `.results/` in the project. `ledger.json` there has the run of each
recipe and seed, with the hashes of the code that it was started with; other code means another run.
"""

import hashlib
import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import fingerprint
from benchmarks.results.record import Measured, RunRecord, packed
from benchmarks.results.tables import Table
from kdcore.files import atomic
from kdcore.paths import ASSETS, PROJECT
from kdcore.recipe.study import Point
from kdcore.runner import Runner
from kdcore.store import RESUMABLE, Store

CODE = (*fingerprint.TRAINING, "versions")


def folder() -> Path:
    return Path(os.environ.get("KD_RESULTS") or PROJECT / ".results").expanduser().resolve()


@dataclass
class Ledger:
    """The run of each point. `entries`: key of the point -> run, parts, revision, date, machine."""

    root: Path = field(default_factory=folder)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.root / "runs", recorded=ASSETS / "runs")
        self._read()

    def _read(self) -> None:
        if self.path.is_file():
            self.entries |= json.loads(self.path.read_text("utf-8"))

    @property
    def path(self) -> Path:
        return self.root / "ledger.json"

    def begin(self, point: Point, run_id: str) -> None:
        """Store which run belongs to a point, as soon as it exists."""
        self._read()  # what another process has measured meanwhile
        self.entries[key(point)] = {
            "run": run_id, "parts": fingerprint.of(fingerprint.TRAINING, [point.recipe]), "revision": revision(),
            "date": time.strftime("%Y-%m-%d"), "machine": machine(),
        }  # fmt: skip
        atomic.write_text(self.path, json.dumps(self.entries, indent=1) + "\n")

    def run_of(self, point: Point, *, current: bool) -> str | None:
        """The point's run, with `current` only if it was started with the present code."""
        entry = self.entries.get(key(point))
        if entry is None or (current and entry["parts"] != fingerprint.of(fingerprint.TRAINING, [point.recipe])):
            return None
        return str(entry["run"]) if self.store.folder(entry["run"]).is_dir() else None

    def finished(self, point: Point, *, current: bool) -> bool:
        run_id = self.run_of(point, current=current)
        return run_id is not None and self.store.state(run_id).status == "finished"


def measure(table: Table, ledger: Ledger) -> bool:
    """Run the points of a table that are missing. Returns whether all of them are finished."""
    runner = Runner(ledger.store, device="cpu")
    try:
        for point in table.points():
            if not ledger.finished(point, current=True):
                run(point, runner, ledger)
    finally:
        runner.close()
    return all(ledger.finished(point, current=True) for point in table.points())


def run(point: Point, runner: Runner, ledger: Ledger) -> None:
    """Run a point to its end, or continue it, and print how it ended."""
    began, run_id = time.process_time(), ledger.run_of(point, current=True)
    if run_id and ledger.store.state(run_id).status in RESUMABLE:
        runner.resume(run_id)
    else:
        (run_id,) = runner.start(point.recipe)
        ledger.begin(point, run_id)
    while not runner.wait(run_id, timeout=1.0):
        pass  # in steps, so that Ctrl-C is noticed
    state = ledger.store.state(run_id)
    accuracy = f"student {state.results['student']['top1']:.2%}" if state.results else state.reason
    print(
        f"{point.variant}, seed {point.seed}: {state.status}, {accuracy}; {time.process_time() - began:.0f} CPU s",
        flush=True,
    )


def collected(table: Table, ledger: Ledger) -> Measured | None:
    """What the ledger has of a table; None unless all of its runs are finished and of the same code."""
    points = table.points()
    if not all(ledger.finished(point, current=False) for point in points):
        return None
    entries = [ledger.entries[key(point)] for point in points]
    code = {part: entries[0]["parts"][part] for part in CODE}
    if any(entry["parts"][part] != code[part] for entry in entries for part in CODE):
        return None
    last = max(entries, key=lambda entry: str(entry["date"]))
    return Measured(
        revision=last["revision"],
        date=last["date"],
        machine=last["machine"],
        parts={**table.parts(), **code},
        runs=tuple(_record(point, ledger, entry["run"]) for point, entry in zip(points, entries, strict=True)),
    )


def _record(point: Point, ledger: Ledger, run_id: str) -> RunRecord:
    state = ledger.store.state(run_id)
    return RunRecord(
        variant=point.variant,
        seed=point.seed,
        results={name: {k: _rounded(v) for k, v in figures.items()} for name, figures in state.results.items()},
        validation={name: round(figures["top1"], 6) for name, figures in state.latest.items() if "top1" in figures},
        parameters=state.parameters,
        seconds=round(state.active_seconds),
        right=packed(ledger.store.test_predictions(run_id)),
    )


def _rounded(value: float | None) -> float | None:
    return value if value is None else round(value, 6)


def key(point: Point) -> str:
    """Equal for recipes that mean the same, whatever they are called."""
    plain = point.recipe.model_dump(mode="json", exclude={"name", "note"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps([plain, point.seed], sort_keys=True).encode()).hexdigest()[:16]


def revision() -> str:
    """The commit of this checkout, with `+` where code, recipes or bundled weights differ from it."""
    head = _git("rev-parse", "--short=7", "HEAD")
    changed = _git(
        "status", "--porcelain", "--", "kdcore", "assets/recipes", "assets/studies", "assets/models", "requirements.txt"
    )
    return (head or "unknown") + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=False
    ).stdout.strip()


def machine(threads: int | str | None = None) -> str:
    """Processor, cores, threads (of a run, unless they are given) and the packages that compute."""
    found = [line.split(":")[1].strip() for line in _processor().splitlines() if line.startswith("model name")]
    threads = threads or os.environ.get("KD_THREADS") or os.cpu_count()
    name = found[0] if found else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {name}, {threads} {'thread' if str(threads) == '1' else 'threads'} a run, PyTorch {torch.__version__.split('+')[0]}"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.is_file() else ""
