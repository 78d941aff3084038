"""The reading side: a run's events, folded to its state and its series, only what is new each time."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import recipe as recipes
from kdcore.recipe import RecipeError
from kdcore.store import keeping
from kdcore.store.state import ACTIVE, ENDS, RESUMABLE, RunState
from kdcore.store.writing import is_locked

READ_BYTES = 8 << 20  # at once
KEEP_BYTES = 4 << 20  # of new events, before a fold is kept; as many as it has, later
KEPT_NOTES = 50
KEPT_GRADIENTS = 5  # the newest; all of them are among the series


NOTHING = np.empty(0)


class Fold:
    """A run's events, folded as far as they were read."""

    def __init__(self, folder: Path, recorded: bool) -> None:
        self.folder = folder
        self.offset = 0
        self.columns: dict[str, Column] = {}
        self.lock = threading.Lock()
        self._kept_up_to = 0
        created = folder.stat().st_mtime
        with suppress(ValueError, OverflowError):  # a folder of another name: when it was last changed
            created = time.mktime(time.strptime(folder.name[:15], "%Y%m%d-%H%M%S"))
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
        self._lists: dict[str, list[dict[str, Any]]] = {
            "probes": [], "checkpoints": [], "layer_weights": [], "gradients": [], "adaptations": [],
        }  # fmt: skip
        self._latest: dict[str, dict[str, float]] = {}
        self._knobs: dict[str, float] = {}
        self._remembered: dict[int, dict[str, Any]] = {}
        self._heard = 0.0  # when it last said something while it was at work
        if kept := keeping.recalled_fold(folder):
            self._put_back(*kept)
        self._folded = self._state()
        self.state = self._folded

    @property
    def over(self) -> bool:
        """Whether nothing comes any more, unless somebody resumes the run."""
        return self.state.status in ("finished", *RESUMABLE)

    def refresh(self) -> None:
        """Read what is new. A run that claims to be active while nobody holds its lock was interrupted."""
        with self.lock:
            self._read()
            state = self._folded
            if (
                not state.recorded
                and state.status in (*ACTIVE, "created")
                and not is_locked(self.folder / "writer.lock")
            ):
                self._read()  # it may have ended between the reading and the look at the lock
                state = self._folded
                new = state.status == "created" and time.time() - state.created < 10  # its writer is only just coming
                if state.status in (*ACTIVE, "created") and not new:
                    state = replace(state, status="interrupted", reason="The process that trained it is gone.")
            self.state = state

    def _read(self) -> None:
        before = self.offset
        if keeping.mark(self.folder)[0] <= before:
            return
        for lines in self._fresh():
            for line in lines.decode(errors="replace").split("\n")[:-1]:
                try:
                    self._take(json.loads(line))
                except (
                    ValueError,
                    KeyError,
                    TypeError,
                ):  # a full disk, a power cut: what else was written still counts
                    self._note(self._facts["updated"], "A damaged line of events.jsonl was left out.", "warning")
            self.offset += len(lines)
        if self.offset == before:
            return
        self._folded = self._state()
        new = self.offset - self._kept_up_to
        ended = self._folded.status in ENDS.values()
        if new >= max(KEEP_BYTES, 0 if ended else self._kept_up_to) and not self._folded.recorded:
            self._keep()

    def _fresh(self) -> Iterator[bytes]:
        """What was not read yet, whole lines, some MiB at a time."""
        with (self.folder / "events.jsonl").open("rb") as file:
            file.seek(self.offset)
            while read := file.read(READ_BYTES):
                if not read.endswith(b"\n"):
                    read += file.readline()  # of the last line, or as much of it as is written
                yield read[: read.rfind(b"\n") + 1]

    def _keep(self) -> None:
        plain = {
            "facts": self._facts, "lists": self._lists, "notes": list(self._notes), "latest": self._latest,
            "knobs": self._knobs, "remembered": list(self._remembered.items()), "heard": self._heard,
        }  # fmt: skip
        keeping.keep_fold(self.folder, self.offset, plain, {name: c.view() for name, c in self.columns.items()})
        self._kept_up_to = self.offset

    def _put_back(self, offset: int, plain: dict[str, Any], columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.offset = self._kept_up_to = offset
        here = {key: self._facts[key] for key in ("id", "created", "recorded")}  # it may be a copied folder
        self._facts = plain["facts"] | here | {"classes": tuple(plain["facts"].get("classes", ()))}
        self._lists, self._latest, self._knobs = plain["lists"], plain["latest"], plain["knobs"]
        self._notes.clear()
        self._notes.extend(plain["notes"])
        self._remembered, self._heard = dict(plain["remembered"]), plain["heard"]
        self.columns = {name: Column(steps, values) for name, (steps, values) in columns.items()}

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
            case "GradientsMeasured":
                for group, numbers in (("gradient", event["norms"]), ("gradient_share", event["shares"])):
                    for name, value in numbers.items():
                        self._add(f"{group}/{name}", step, value)
                kept = self._lists["gradients"][-(KEPT_GRADIENTS - 1) :]
                self._lists["gradients"] = [
                    *kept,
                    {key: event[key] for key in ("step", "epoch", "norms", "shares", "idle")},
                ]
            case "WeightAdapted":
                changes = self._lists["adaptations"]
                if (step, event["term"]) not in [(item["step"], item["term"]) for item in changes]:
                    # else a run that was stopped just there has told it
                    changes.append({key: event[key] for key in ("step", "epoch", "term", "factor", "reason")})
                self._add(f"adapted/{event['term']}", step, event["factor"])
            case "TermMeasured":
                for name, value in event["figures"].items():
                    self._add(f"figure/{event['term']}/{name}", step, value)
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
            column = self.columns[name] = Column()
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


class Column:
    """One number over time. What `view` gave is never changed: new values go behind it."""

    def __init__(self, steps: np.ndarray = NOTHING, values: np.ndarray = NOTHING) -> None:
        self.count = len(steps)
        self._steps, self._values = steps, values
        self._last = int(steps[-1]) if self.count else -1
        self._room = self.count  # what is given is not written into

    def add(self, step: int, value: float) -> None:
        if step == self._last:  # measured again by a run that was stopped just there
            self.forget_after(step - 1)
        if self.count == self._room:
            self._move(max(64, 2 * self.count))
        self._steps[self.count], self._values[self.count] = step, value
        self._last = step
        self.count += 1

    def forget_after(self, step: int) -> None:
        kept = int(np.searchsorted(self._steps[: self.count], step, side="right"))
        if kept < self.count:
            self.count = kept
            self._last = int(self._steps[kept - 1]) if kept else -1
            self._move(max(64, kept))  # views of the old arrays keep what they showed

    def view(self) -> tuple[np.ndarray, np.ndarray]:
        steps, values = self._steps[: self.count], self._values[: self.count]
        steps.flags.writeable = values.flags.writeable = False
        return steps, values

    def _move(self, size: int) -> None:
        steps, values = np.empty(size, np.int64), np.empty(size, np.float64)
        steps[: self.count], values[: self.count] = self._steps[: self.count], self._values[: self.count]
        self._steps, self._values, self._room = steps, values, size
