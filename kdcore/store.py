"""Runs on disk, without torch: a folder a run, one JSON line an event, arrays and weights beside them.

A run's folder:

    runs/<id>/recipe.yaml
    runs/<id>/events.jsonl            one writer, any number of readers; a half-written last line is not read
    runs/<id>/probes/00000120.npz
    runs/<id>/checkpoints/00000120.safetensors
    runs/<id>/writer.lock             locked while a process writes: a run that is neither locked nor ended was interrupted
"""

import csv
import fcntl
import io
import json
import math
import os
import re
import secrets
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np

from kdcore import events as ev
from kdcore import recipe as recipes
from kdcore.recipe import Recipe, RecipeError

ENDS = {"RunFinished": "finished", "RunStopped": "stopped", "RunFailed": "failed"}
ACTIVE = ("queued", "preparing", "running", "paused")  # a process works on the run, or will
RESUMABLE = ("stopped", "failed", "interrupted")
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
KEPT_NOTES = 50


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
        self._lock: IO[bytes] | None = None
        self._file: TextIO | None = None

    def __enter__(self) -> "RunWriter":
        self._lock = _lock(self.folder / "writer.lock", fcntl.LOCK_EX, patience=1.0)
        if self._lock is None:
            raise ValueError(f"Run {self.folder.name} is being written by another process; stop it there first.")
        path = self.folder / "events.jsonl"
        _drop_half_line(path)
        self._file = path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._file, self._lock):
            if file:
                file.close()

    def append(self, event: ev.Event) -> None:
        """Write an event; a probe's arrays go to their own file first."""
        assert self._file is not None, "open the writer first"
        if isinstance(event, ev.ProbeTaken):
            file = f"probes/{event.step:08d}.npz"
            (self.folder / "probes").mkdir(exist_ok=True)
            half = self.folder / "probes" / "half.npz"
            np.savez_compressed(half, **event.arrays)
            os.replace(half, self.folder / file)  # a reader sees the old file or the whole new one
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
        half = folder / "recipe.half"
        half.write_text(recipe.to_yaml(), encoding="utf-8")
        os.replace(half, folder / "recipe.yaml")  # from here on the run is listed
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
        return [run_id for run_id in found if RUN_ID.fullmatch(run_id)]

    def folder(self, run_id: str) -> Path:
        """Raises ValueError where there is no such run; the name of a file outside is never reached."""
        for root in (self.root, self.recorded):
            if root and RUN_ID.fullmatch(run_id) and (root / run_id / "recipe.yaml").is_file():
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
        `learning_rate`, `images_per_second`, `layer_weight/TERM/LAYER`. The arrays are read-only and stay as they are."""
        fold = self._fold(run_id)
        with fold.lock:
            return {name: column.view() for name, column in fold.columns.items()}

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
        with self.writer(run_id):  # nobody resumes it meanwhile
            gone = self.root / f".deleted-{run_id}"
            os.replace(self.folder(run_id), gone)  # at once, so that no half a run is ever listed
        shutil.rmtree(gone)
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
                fold = self._folds[run_id] = _Fold(folder, recorded)
        fold.refresh()
        return fold


class _Fold:
    """A run's events, folded as far as they were read."""

    def __init__(self, folder: Path, recorded: bool) -> None:
        self.folder = folder
        self.offset = 0
        self.columns: dict[str, _Column] = {}
        self.lock = threading.Lock()
        created = folder.stat().st_mtime
        if stamp := re.match(r"\d{8}-\d{6}", folder.name):
            created = time.mktime(time.strptime(stamp[0], "%Y%m%d-%H%M%S"))
        self._notes: deque[dict[str, Any]] = deque(maxlen=KEPT_NOTES)
        name, epochs = folder.name, 0
        try:
            recipe = recipes.load(folder / "recipe.yaml")
            name, epochs = recipe.name, recipe.epochs
        except RecipeError as error:  # of another version, or edited: the run can still be looked at
            self._note(created, str(error), "warning")
        self._facts: dict[str, Any] = {
            "id": folder.name, "name": name, "epochs": epochs, "created": created, "recorded": recorded,
            "status": "created", "step": 0, "epoch": 0.0, "began": 0.0, "active_seconds": 0.0, "updated": 0.0,
        }  # fmt: skip
        # what only grows, and what else a resumed run puts back: step of the checkpoint -> the facts at that moment
        self._lists: dict[str, list[dict[str, Any]]] = {"probes": [], "checkpoints": [], "layer_weights": []}
        self._latest: dict[str, dict[str, float]] = {}
        self._knobs: dict[str, float] = {}
        self._remembered: dict[int, dict[str, Any]] = {}
        self._heard = 0.0  # when it last said something while it was at work
        self._folded = self._state()
        self.state = self._folded

    def refresh(self) -> None:
        """Read what is new. A run that claims to be active while nobody holds its lock was interrupted."""
        with self.lock:
            self._read()
            state = self._folded
            if (
                not state.recorded
                and state.status in (*ACTIVE, "created")
                and not _is_locked(self.folder / "writer.lock")
            ):
                self._read()  # it may have ended between the reading and the look at the lock
                state = self._folded
                new = state.status == "created" and time.time() - state.created < 10  # its writer is only just coming
                if state.status in (*ACTIVE, "created") and not new:
                    state = replace(state, status="interrupted", reason="The process that trained it is gone.")
            self.state = state

    def _read(self) -> None:
        try:
            with (self.folder / "events.jsonl").open("rb") as file:
                file.seek(self.offset)
                fresh = file.read()
        except FileNotFoundError:
            return
        end = fresh.rfind(b"\n") + 1
        if not end:
            return
        for line in fresh[:end].splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):  # a full disk or a power cut: what else was written still counts
                self._note(self._facts["updated"], "A damaged line of events.jsonl was left out.", "warning")
        self.offset += end
        self._folded = self._state()

    def _state(self) -> RunState:
        lists: dict[str, Any] = {name: tuple(items) for name, items in self._lists.items()}
        return RunState(
            **self._facts, **lists, notes=tuple(self._notes), latest=dict(self._latest), knobs=dict(self._knobs)
        )

    def _take(self, event: dict[str, Any]) -> None:
        facts = self._facts
        kind, step, now = event["event"], event.get("step", facts["step"]), event["time"]
        facts["updated"] = now
        match kind:
            case "Queued":
                self._end_stretch(
                    self._heard
                )  # killed, and now begun again: it lasted until the last thing that it said
                facts["status"] = "queued"
            case "Noted":
                self._note(now, event["text"], event.get("level", "info"))
                if facts["status"] in ("created", "queued", *RESUMABLE):
                    facts["status"] = "preparing"
            case "RunStarted":
                self._forget_after(step if event["resumed"] else -1)
                self._end_stretch(self._heard)
                told = ("steps", "epochs", "device", "train_images", "labelled_images", "parameters", "teacher")
                facts |= {name: event[name] for name in told}
                facts |= {"status": "running", "step": step, "classes": tuple(event["classes"]), "began": now}
                facts |= {"reason": "", "traceback": "", "results": {}}
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
                facts |= {"step": step, "epoch": event["epoch"], "images_per_second": event["images_per_second"]}
            case "LayersWeighted":
                for layer, weight in enumerate(event["weights"]):
                    self._add(f"layer_weight/{event['term']}/{layer}", step, weight)
                self._lists["layer_weights"].append({key: event[key] for key in ("step", "epoch", "term", "weights")})
            case "Evaluated" if event["split"] == "validation":
                for network, metrics in event["metrics"].items():
                    for metric, value in metrics.items():
                        if metric in ("top1", "nll", "ece"):
                            self._add(f"{metric}/{network}", step, value)
                self._latest |= event["metrics"]
            case "ProbeTaken":
                self._lists["probes"].append({key: event[key] for key in ("step", "epoch", "file")})
            case "CheckpointSaved":
                self._lists["checkpoints"].append({key: event[key] for key in ("step", "epoch", "file")})
                self._remembered[step] = {
                    "epoch": event["epoch"], "latest": dict(self._latest), "knobs": dict(self._knobs),
                }  # fmt: skip
            case "KnobTurned":
                self._knobs[event["knob"]] = event["factor"]
            case "RunPaused":
                facts |= {"status": "paused", "step": step}
            case "RunResumed":
                facts["status"] = "running"
            case "RunFinished" | "RunStopped" | "RunFailed":
                self._end_stretch(now)
                facts |= {"status": ENDS[kind], "step": step}
                facts |= {key: event.get(key, "") for key in ("reason", "traceback")}
                if kind == "RunFinished":
                    facts |= {"results": event["results"], "epoch": float(facts["epochs"])}
        if facts["status"] in ("running", "paused"):
            self._heard = now

    def _end_stretch(self, when: float) -> None:
        if self._facts["began"]:
            self._facts["active_seconds"] += max(0.0, when - self._facts["began"])
            self._facts["began"] = 0.0

    def _note(self, now: float, text: str, level: str) -> None:
        self._notes.append({"time": now, "text": text, "level": level})

    def _add(self, name: str, step: int, value: float | None) -> None:
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = _Column()
        column.add(step, math.nan if value is None else value)

    def _forget_after(self, step: int) -> None:
        """A resumed run starts from its checkpoint: what came after it happens again, and all of it (-1) from the start."""
        for name, column in list(self.columns.items()):
            column.forget_after(step)
            if not column.count:
                del self.columns[name]
        for items in self._lists.values():
            items[:] = [item for item in items if item["step"] <= step]
        self._remembered = {saved: then for saved, then in self._remembered.items() if saved <= step}
        then = self._remembered.get(step, {"epoch": 0.0, "latest": {}, "knobs": {}})
        self._facts["epoch"], self._latest, self._knobs = then["epoch"], dict(then["latest"]), dict(then["knobs"])


class _Column:
    """One number over time. What `view` gave is never changed: new values go behind it."""

    def __init__(self) -> None:
        self.count = 0
        self._steps, self._values = np.empty(64, np.int64), np.empty(64, np.float64)

    def add(self, step: int, value: float) -> None:
        if self.count == len(self._steps):
            self._move(2 * self.count)
        self._steps[self.count], self._values[self.count] = step, value
        self.count += 1

    def forget_after(self, step: int) -> None:
        kept = int(np.searchsorted(self._steps[: self.count], step, side="right"))
        if kept < self.count:
            self.count = kept
            self._move(len(self._steps))  # views of the old arrays keep what they showed

    def view(self) -> tuple[np.ndarray, np.ndarray]:
        steps, values = self._steps[: self.count], self._values[: self.count]
        steps.flags.writeable = values.flags.writeable = False
        return steps, values

    def _move(self, size: int) -> None:
        steps, values = np.empty(size, np.int64), np.empty(size, np.float64)
        steps[: self.count], values[: self.count] = self._steps[: self.count], self._values[: self.count]
        self._steps, self._values = steps, values


def _lock(path: Path, mode: int, *, patience: float = 0.0) -> IO[bytes] | None:
    """The file, locked until it is closed or its process ends; None where another one holds it for that long."""
    file = path.open("rb" if mode == fcntl.LOCK_SH else "ab")
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                file.close()
                return None
            time.sleep(0.01)  # a reader that looks whether the run is alive holds it for some microseconds
        else:
            return file


def _is_locked(path: Path) -> bool:
    """Whether a writer is at work. Readers share the lock, so that they never take each other for one."""
    try:
        lock = _lock(path, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    lock.close()
    return False


def _drop_half_line(path: Path) -> None:
    """Cut what a killed process left behind its last full line."""
    if path.exists():
        whole = path.read_bytes()
        if (end := whole.rfind(b"\n") + 1) < len(whole):
            with path.open("r+b") as file:
                file.truncate(end)
