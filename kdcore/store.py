"""Runs on disk, without torch: a folder a run, one JSON line an event, arrays and weights beside them.

    runs/<id>/recipe.yaml
    runs/<id>/events.jsonl            one writer, any number of readers; a half-written last line is not read
    runs/<id>/probes/00000120.npz
    runs/<id>/checkpoints/00000120.safetensors
    runs/<id>/writer.lock             locked while a process writes: a run that is neither locked nor ended was interrupted
"""

import csv
import io
import json
import math
import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from filelock import FileLock, Timeout

from kdcore import events as ev
from kdcore import recipe as recipes
from kdcore.recipe import Recipe

ENDS = {"RunFinished": "finished", "RunStopped": "stopped", "RunFailed": "failed"}
ACTIVE = ("queued", "preparing", "running", "paused")  # a process works on the run, or will
RESUMABLE = ("stopped", "failed", "interrupted")


@dataclass(frozen=True)
class RunState:
    """What a run's events say about it so far."""

    id: str
    name: str
    status: str = "created"  # one of ACTIVE or RESUMABLE, created, finished
    created: float = 0.0  # seconds since 1970
    updated: float = 0.0
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    epochs: int = 0
    device: str = ""
    classes: tuple[str, ...] = ()
    train_images: int = 0
    labelled_images: int = 0
    parameters: dict[str, int] = field(default_factory=dict)
    images_per_second: float = 0.0
    teacher: dict[str, float] = field(default_factory=dict)
    latest: dict[str, dict[str, float]] = field(default_factory=dict)  # network -> last validation metrics
    results: dict[str, dict[str, float]] = field(default_factory=dict)  # as in RunFinished
    probes: tuple[dict[str, Any], ...] = ()  # step, epoch, file
    checkpoints: tuple[dict[str, Any], ...] = ()  # step, epoch, file
    layer_weights: tuple[dict[str, Any], ...] = ()  # step, epoch, term, weights
    notes: tuple[dict[str, Any], ...] = ()  # time, text, level
    reason: str = ""  # why it stopped or failed
    traceback: str = ""
    knobs: dict[str, float] = field(default_factory=dict)
    active_seconds: float = 0.0  # between starts and ends, pauses included
    began: float = 0.0  # when the present stretch of work began
    recorded: bool = False  # a bundled recording, not a run of this machine

    @property
    def progress(self) -> float:
        return self.step / self.steps if self.steps else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Time to the end at the present pace; None where there is no pace yet."""
        if self.status != "running" or not self.images_per_second or not self.step or not self.epoch:
            return None
        images = (self.steps - self.step) * self.train_images * self.epoch / self.step
        return images / self.images_per_second


class RunWriter:
    """The one writer of a run. Use as a context; while it is open the run counts as alive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / "writer.lock")
        self._file: TextIO | None = None

    def __enter__(self) -> "RunWriter":
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ValueError(f"Run {self.folder.name} is being written by another process; stop it there first.") from None
        path = self.folder / "events.jsonl"
        _drop_half_line(path)
        self._file = path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        self._lock.release()

    def append(self, event: ev.Event) -> None:
        """Write an event; a probe's arrays go to their own file first."""
        assert self._file is not None, "open the writer first"
        if isinstance(event, ev.ProbeTaken):
            file = f"probes/{event.step:08d}.npz"
            (self.folder / "probes").mkdir(exist_ok=True)
            np.savez_compressed(self.folder / file, **event.arrays)
            event = replace(event, file=file)
        line = json.dumps({**event.to_plain(), "time": round(time.time(), 3)}, allow_nan=True)
        self._file.write(line + "\n")
        self._file.flush()

    def checkpoint_path(self, step: int) -> Path:
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        return self.folder / "checkpoints" / f"{step:08d}.safetensors"


class Store:
    """The runs in a folder. Thread-safe; what it returns is immutable."""

    def __init__(self, root: Path, *, recorded: Path | None = None) -> None:
        """`recorded` is a second folder of runs, read-only, that come with the project."""
        self.root = root
        self.recorded = recorded
        self._folds: dict[str, _Fold] = {}
        self._lock = threading.Lock()

    def create(self, recipe: Recipe) -> str:
        """Make a run's folder and recipe file; returns its id, which sorts by time."""
        slug = re.sub(r"[^a-z0-9]+", "-", recipe.name.lower()).strip("-")[:40] or "run"
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}"
        folder = self.root / run_id
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        return run_id

    def writer(self, run_id: str) -> RunWriter:
        folder = self.folder(run_id)
        if self.recorded and folder.parent == self.recorded:
            raise ValueError(f"{run_id} is a recording that comes with the project; it cannot be changed.")
        return RunWriter(folder)

    def ids(self) -> list[str]:
        """Runs of this machine, newest first, then the recordings."""
        found = []
        for root in (self.root, self.recorded):
            if root and root.is_dir():
                found += sorted((f.parent.name for f in root.glob("*/recipe.yaml")), reverse=True)
        return found

    def folder(self, run_id: str) -> Path:
        """Raises ValueError where there is no such run; the name of a file outside is never reached."""
        for root in (self.root, self.recorded):
            if root and re.fullmatch(r"[A-Za-z0-9._-]+", run_id) and (root / run_id / "recipe.yaml").is_file():
                return root / run_id
        raise ValueError(f"There is no run {run_id!r} in {self.root}.")

    def recipe(self, run_id: str) -> Recipe:
        return recipes.load(self.folder(run_id) / "recipe.yaml")

    def state(self, run_id: str) -> RunState:
        """The run as its events tell it. Cheap when called again: only new lines are read."""
        return self._fold(run_id).state

    def states(self) -> list[RunState]:
        return [self.state(run_id) for run_id in self.ids()]

    def series(self, run_id: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Every number over time: name -> (steps, values). Names are `loss/NETWORK/TERM`, `train_top1/NETWORK`,
        `top1/NETWORK`, `nll/NETWORK`, `ece/NETWORK` (validation), `share/TERM`, `weight/TERM`, `temperature/TERM`,
        `learning_rate`, `images_per_second`, `layer_weight/TERM/LAYER`."""
        fold = self._fold(run_id)
        with fold.lock:
            return {
                name: (np.array(steps), np.array(values, dtype=np.float64)) for name, (steps, values) in fold.columns.items()
            }

    def version(self, run_id: str) -> int:
        """Grows whenever the run has something new: the number of bytes read of its events."""
        return self._fold(run_id).offset

    def probe(self, run_id: str, file: str) -> dict[str, np.ndarray]:
        """The arrays of a probe, by the `file` that its event names."""
        folder = self.folder(run_id)
        path = (folder / file).resolve()
        if path.parent != (folder / "probes").resolve() or not path.is_file():
            raise ValueError(f"Run {run_id} has no probe {file!r}.")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def checkpoint(self, run_id: str) -> Path | None:
        """The newest checkpoint that is on disk, or None."""
        for saved in reversed(self.state(run_id).checkpoints):
            if (path := self.folder(run_id) / saved["file"]).is_file():
                return path
        return None

    def delete(self, run_id: str) -> None:
        """Remove a run with all it holds. Refused while it is active and for recordings."""
        state = self.state(run_id)
        if state.recorded:
            raise ValueError(f"{run_id} is a recording that comes with the project; it cannot be deleted.")
        if state.status in ACTIVE:
            raise ValueError(f"Run {run_id} is {state.status}; stop it before deleting it.")
        shutil.rmtree(self.folder(run_id))
        with self._lock:
            self._folds.pop(run_id, None)

    def csv(self, run_id: str) -> str:
        """All series as one table: a row a step, a column a series, empty where nothing was measured."""
        series = self.series(run_id)
        rows: dict[int, dict[str, float]] = {}
        for name, (steps, values) in series.items():
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                rows.setdefault(step, {})[name] = value
        text = io.StringIO()
        table = csv.DictWriter(text, ["step", *series])
        table.writeheader()
        for step in sorted(rows):
            table.writerow({"step": step, **rows[step]})
        return text.getvalue()

    def _fold(self, run_id: str) -> "_Fold":
        folder = self.folder(run_id)
        with self._lock:
            fold = self._folds.get(run_id)
            if fold is None:
                recorded = bool(self.recorded) and folder.parent == self.recorded
                fold = self._folds[run_id] = _Fold(folder, recipes.load(folder / "recipe.yaml"), recorded)
        fold.refresh()
        return fold


class _Fold:
    """A run's events, folded as far as they were read."""

    def __init__(self, folder: Path, recipe: Recipe, recorded: bool) -> None:
        self.folder = folder
        self.offset = 0
        self.columns: dict[str, tuple[list[int], list[float]]] = {}
        self.lock = threading.Lock()
        created = folder.stat().st_mtime
        if stamp := re.match(r"\d{8}-\d{6}", folder.name):
            created = time.mktime(time.strptime(stamp[0], "%Y%m%d-%H%M%S"))
        self.folded = RunState(id=folder.name, name=recipe.name, epochs=recipe.epochs, created=created, recorded=recorded)
        self.state = self.folded

    def refresh(self) -> None:
        path = self.folder / "events.jsonl"
        with self.lock:
            try:
                with path.open("rb") as file:
                    file.seek(self.offset)
                    fresh = file.read()
            except FileNotFoundError:
                fresh = b""
            end = fresh.rfind(b"\n") + 1
            for line in fresh[:end].splitlines():
                self.folded = self._take(self.folded, json.loads(line))
            self.offset += end
            self.state = self._alive(self.folded)

    def _alive(self, state: RunState) -> RunState:
        """A run that claims to be active while nobody holds its lock was interrupted."""
        if state.status not in (*ACTIVE, "created") or state.recorded or _is_locked(self.folder / "writer.lock"):
            return state
        if state.status == "created" and time.time() - state.created < 10:
            return state  # its writer is only just coming
        return replace(state, status="interrupted", reason="The process that trained it is gone.")

    def _take(self, state: RunState, event: dict[str, Any]) -> RunState:
        kind, step, now = event["event"], event.get("step", state.step), event["time"]
        state = replace(state, updated=now)
        match kind:
            case "Queued":
                return replace(state, status="queued")
            case "Noted":
                note = {"time": now, "text": event["text"], "level": event.get("level", "info")}
                status = "preparing" if state.status in ("created", "queued", *RESUMABLE) else state.status
                return replace(state, notes=(*state.notes, note)[-50:], status=status)
            case "RunStarted":
                if event["resumed"]:
                    self._forget_after(step)
                    state = replace(state, probes=_until(state.probes, step), layer_weights=_until(state.layer_weights, step))
                return replace(
                    state, status="running", step=step, steps=event["steps"], epochs=event["epochs"],
                    device=event["device"], classes=tuple(event["classes"]), train_images=event["train_images"],
                    labelled_images=event["labelled_images"], parameters=event["parameters"], teacher=event["teacher"],
                    began=now, reason="", traceback="",
                )  # fmt: skip
            case "StepEnded":
                for network, losses in event["losses"].items():
                    for term, value in losses.items():
                        self._add(f"loss/{network}/{term}", step, value)
                for group, numbers in (("share", event["shares"]), ("weight", event["weights"]),
                                       ("temperature", event["temperatures"]), ("train_top1", event["train_top1"])):  # fmt: skip
                    for name, value in numbers.items():
                        self._add(f"{group}/{name}", step, value)
                self._add("learning_rate", step, event["learning_rate"])
                self._add("images_per_second", step, event["images_per_second"])
                return replace(state, step=step, epoch=event["epoch"], images_per_second=event["images_per_second"])
            case "LayersWeighted":
                for layer, weight in enumerate(event["weights"]):
                    self._add(f"layer_weight/{event['term']}/{layer}", step, weight)
                weighed = {key: event[key] for key in ("step", "epoch", "term", "weights")}
                return replace(state, layer_weights=(*state.layer_weights, weighed))
            case "Evaluated":
                if event["split"] != "validation":
                    return state
                for network, metrics in event["metrics"].items():
                    for metric, value in metrics.items():
                        if metric in ("top1", "nll", "ece"):
                            self._add(f"{metric}/{network}", step, value)
                return replace(state, latest={**state.latest, **event["metrics"]})
            case "ProbeTaken":
                probe = {key: event[key] for key in ("step", "epoch", "file")}
                return replace(state, probes=(*state.probes, probe))
            case "CheckpointSaved":
                saved = {key: event[key] for key in ("step", "epoch", "file")}
                return replace(state, checkpoints=(*(c for c in state.checkpoints if c["step"] < step), saved))
            case "KnobTurned":
                return replace(state, knobs={**state.knobs, event["knob"]: event["factor"]})
            case "RunPaused":
                return replace(state, status="paused", step=step)
            case "RunResumed":
                return replace(state, status="running")
            case "RunFinished" | "RunStopped" | "RunFailed":
                spent = state.active_seconds + (now - state.began if state.began else 0.0)
                return replace(
                    state, status=ENDS[kind], step=step, began=0.0, active_seconds=spent,
                    results=event.get("results", state.results), reason=event.get("reason", ""),
                    traceback=event.get("traceback", ""), epoch=float(state.epochs) if kind == "RunFinished" else state.epoch,
                )  # fmt: skip
        return state

    def _add(self, name: str, step: int, value: float | None) -> None:
        steps, values = self.columns.setdefault(name, ([], []))
        steps.append(step)
        values.append(math.nan if value is None else float(value))

    def _forget_after(self, step: int) -> None:
        """A resumed run starts from its checkpoint: what came after it happens again."""
        for steps, values in self.columns.values():
            while steps and steps[-1] > step:
                steps.pop()
                values.pop()


def _until(items: tuple[dict[str, Any], ...], step: int) -> tuple[dict[str, Any], ...]:
    return tuple(item for item in items if item["step"] <= step)


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _drop_half_line(path: Path) -> None:
    """Cut what a killed process left behind its last full line."""
    if path.exists():
        whole = path.read_bytes()
        if (end := whole.rfind(b"\n") + 1) < len(whole):
            with path.open("r+b") as file:
                file.truncate(end)
