"""Replay: a run's events, read incrementally, become its state and its series of numbers."""

import math
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.files.reading import regular
from kdcore.recipe import Recipe, RecipeError
from kdcore.recipe.settings import settings
from kdcore.store.replay import cache, checking
from kdcore.store.replay.adjustments import Adjustments
from kdcore.store.replay.columns import Column
from kdcore.store.replay.lines import READ_BYTES, Lines
from kdcore.store.replay.pace import Pace
from kdcore.store.run_files.writing import LOCK, is_alive, last_host
from kdcore.store.state import ACTIVE, ENDS, RESUMABLE, RunState, in_one_line

CACHE_BYTES = 4 << 20  # of new events before a replay is cached; later, as many as it has
KEPT_NOTES = 50
KEPT_GRADIENTS = 5  # the newest; all of them are among the series


class Replay:
    """The state and series of a run, from its events as far as they were read."""

    def __init__(self, folder: Path, recorded: bool) -> None:
        self.folder, self.recorded = folder, recorded
        self.lock = threading.Lock()
        self._empty()
        kept = cache.read_replay(folder)
        try:
            if kept:
                self._restore(*kept)
        except (KeyError, TypeError, ValueError, AttributeError):  # another program changed the file
            self._empty()
        self._stored_state = self._state()
        self.state = self._stored_state

    def _empty(self) -> None:
        """As before the first event."""
        self.columns: dict[str, Column] = {}
        self._lines = Lines()
        self._cached_up_to = 0
        created = created_at(self.folder)
        self._notes: deque[dict[str, Any]] = deque(maxlen=KEPT_NOTES)
        self._facts: dict[str, Any] = {
            "id": self.folder.name, "name": self.folder.name, "epochs": 0, "created": created, "recorded": self.recorded,
            "status": "created", "step": 0, "epoch": 0.0, "began": 0.0, "active_seconds": 0.0, "updated": 0.0,
            "settings": {},
        }  # fmt: skip
        # lists only grow; `_remembered` is what a resumed run restores: step of a checkpoint -> the facts at that moment
        self._lists: dict[str, list[dict[str, Any]]] = {
            "probes": [], "checkpoints": [], "layer_weights": [], "gradients": [], "adaptations": [], "robustness": [],
        }  # fmt: skip
        self._latest: dict[str, dict[str, float]] = {}
        self._adjusted = Adjustments()
        self._pace = Pace()
        self._remembered: dict[int, dict[str, Any]] = {}
        self._last_event = 0.0  # time of the last event while the run was in progress
        self._seen, self._left_out, self._first_left_out = 0, 0, ""  # lines; why the first one was left out
        self._recipe_read_at = -1
        self._recipe_trouble = ""
        self._read_recipe()

    def _read_recipe(self) -> bool:
        """Read the recipe's name, length and settings, or why it cannot be read. False where the file has not changed."""
        written = _written(self.folder / "recipe.yaml")
        if written == self._recipe_read_at:
            return False
        self._recipe_read_at, self._recipe_trouble = written, ""
        try:
            recipe = read_recipe(self.folder)
            self._facts |= {"name": recipe.name, "epochs": recipe.epochs, "settings": settings(recipe)}
        except RecipeError as error:  # of another version, or edited: the run can still be looked at
            self._note(self._facts["created"], str(error), "warning")
            self._recipe_trouble = in_one_line(str(error))
        return True

    @property
    def offset(self) -> int:
        return self._lines.offset

    @property
    def ended(self) -> bool:
        """Whether the run has ended. It may still be resumed."""
        return self.state.status in ("finished", *RESUMABLE)

    @property
    def damage(self) -> str:
        """What of the folder cannot be read, as a sentence; empty where all can."""
        found = [self._recipe_trouble] if self._recipe_trouble else []
        if self._left_out:
            lines, are = ("line", "is") if self._left_out == 1 else ("lines", "are")
            found.append(
                f"{self._left_out:,} {lines} of events.jsonl cannot be read and {are} skipped; {self._first_left_out}."
            )
        if (self.folder / LOCK).is_dir():
            found.append("writer.lock is a folder and should be a file.")
        return " ".join(found)

    def refresh(self) -> None:
        """Read new events. A run that is active by its events but has no writer was interrupted.

        Raises:
            OSError: the events cannot be read.
        """
        with self.lock:
            self._read()
            unwatched = self._stored_state.status in (*ACTIVE, "created") and not self.recorded
            if unwatched and not is_alive(self.folder):
                self._read()  # it may have ended just before its lock was checked
                self.state = self._without_writer(self._stored_state)
            else:
                self.state = self._stored_state

    def _without_writer(self, state: RunState) -> RunState:
        """The state of a run without a writer."""
        # its writer is about to start; the clock may have been set back since
        new = state.status == "created" and abs(time.time() - state.created) < 10
        if state.status == "created" and state.damage:
            return replace(state, status="damaged")
        if state.status in (*ACTIVE, "created") and not new:
            host = last_host(self.folder)
            on_host = f" on {host} has ended, or that machine cannot reach this drive" if host else " has ended"
            return replace(state, status="interrupted", reason=f"The process that trained it{on_host}.")
        return state

    def _read(self) -> None:
        if self._recipe_trouble and self._read_recipe():
            self._stored_state = self._state()
        size, before = cache.mark(self.folder)[0], self.offset
        if size < before:  # cut, or put back from a copy
            self._empty()
            self._stored_state = self._state()
            before = 0
        if size == before:
            return
        for lines in self._lines.new(self.folder / "events.jsonl", READ_BYTES):
            for line in lines:
                self._take_line(line)
        if self.offset == before:
            return
        self._stored_state = self._state()
        new = self.offset - self._cached_up_to
        ended = self._stored_state.status in ENDS.values()
        if new >= max(CACHE_BYTES, 0 if ended else self._cached_up_to) and not self.recorded:
            self._cache()

    def _take_line(self, line: bytes) -> None:
        self._seen += 1
        try:
            event = checking.event(line)
        except UserError as error:  # from a full disk or a power cut: the other lines are still valid
            self._first_left_out = self._first_left_out or f"line {self._seen}: {in_one_line(str(error))}"
            self._left_out += 1
            self._note(self._facts["updated"], "A damaged line of events.jsonl was skipped.", "warning")
        else:
            self._take(event)

    def _cache(self) -> None:
        plain = {
            "facts": self._facts, "lists": self._lists, "notes": list(self._notes), "latest": self._latest,
            "adjusted": self._adjusted.plain(), "pace": self._pace.plain(), "remembered": list(self._remembered.items()), "heard": self._last_event,
            "skipping": self._lines.skipping, "lines": [self._seen, self._left_out, self._first_left_out],
        }  # fmt: skip
        cache.write_replay(self.folder, self.offset, plain, {name: c.view() for name, c in self.columns.items()})
        self._cached_up_to = self.offset

    def _restore(self, offset: int, plain: dict[str, Any], columns: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self._lines, self._cached_up_to = Lines(offset, plain["skipping"]), offset
        self._seen, self._left_out, self._first_left_out = plain["lines"]
        own = ("id", "created", "recorded", *(() if self._recipe_trouble else ("name", "settings")))
        here = {key: self._facts[key] for key in own}  # the folder may be a copy
        self._facts = plain["facts"] | here | {"classes": tuple(plain["facts"].get("classes", ()))}
        self._lists, self._latest = plain["lists"], plain["latest"]
        self._adjusted, self._pace = Adjustments.from_plain(plain["adjusted"]), Pace.from_plain(plain["pace"])
        self._notes.clear()
        self._notes.extend(plain["notes"])
        self._remembered, self._last_event = dict(plain["remembered"]), plain["heard"]
        self.columns = {name: Column(steps, values) for name, (steps, values) in columns.items()}

    def _state(self) -> RunState:
        lists: dict[str, Any] = {name: tuple(items) for name, items in self._lists.items()}
        return RunState(
            **self._facts,
            **lists,
            notes=tuple(self._notes),
            latest=dict(self._latest),
            knobs=dict(self._adjusted.factors),
            knob_changes=tuple(self._adjusted.changes),
            undoable=self._adjusted.undoable(),
            seconds_left=self._seconds_left(),
            damage=self.damage,
        )

    def _seconds_left(self) -> float | None:
        facts = self._facts
        return self._pace.remaining(facts["step"], facts.get("steps", 0), facts["epochs"])

    def _take(self, event: dict[str, Any]) -> None:
        now = event["time"]
        self._pace.take(event)
        self._facts["updated"] = now
        self._take_status(event, now)
        self._take_numbers(event)
        self._take_lists(event)
        if self._facts["status"] in ("running", "paused"):
            self._last_event = now

    def _take_status(self, event: dict[str, Any], now: float) -> None:
        facts, kind = self._facts, event["event"]
        step = event.get("step", facts["step"])
        match kind:
            case "Queued":
                self._end_stretch(self._last_event)  # a killed run that is resumed was active until its last event
                facts["status"] = "queued"
            case "RunForked":
                self._adjusted = Adjustments({name: float(factor) for name, factor in event["knobs"].items()})
                facts |= {"parent": event["parent"], "forked_at": step, "forked_epoch": event["epoch"]}
                facts |= {"fork_changes": event["changed"], "step": step, "epoch": event["epoch"]}
            case "Noted":
                self._note(now, event["text"], event["level"])
                if facts["status"] in ("created", "queued", *RESUMABLE):
                    facts["status"] = "preparing"
            case "RunStarted":
                self._forget_after(step if event["resumed"] else -1)
                self._end_stretch(self._last_event)
                kept = ("steps", "epochs", "device", "train_images", "labelled_images", "parameters", "teacher")
                facts |= {name: event[name] for name in kept}
                facts |= {"status": "running", "step": step, "classes": tuple(event["classes"]), "began": now}
                facts |= {"reason": "", "traceback": "", "results": {}, "test_file": ""}
            case "StepEnded":
                facts |= {name: event[name] for name in ("step", "epoch", "images_per_second")}
                facts["values"] = {
                    **{f"weight/{term}": value for term, value in event["weights"].items()},
                    **{f"temperature/{term}": value for term, value in event["temperatures"].items()},
                    "learning_rate": event["learning_rate"],
                }
            case "KnobTurned":
                self._take_change(event, now)
            case "RunPaused":
                facts |= {"status": "paused", "step": step}
            case "RunResumed":
                facts["status"] = "running"
            case "RunFinished" | "RunStopped" | "RunFailed":
                self._end_stretch(now)
                facts |= {"status": ENDS[kind], "step": step}
                facts |= {key: event.get(key, "") for key in ("reason", "traceback")}
                if kind == "RunFinished":
                    facts |= {"results": event["results"], "test_file": event["file"]}
                    facts["epoch"] = float(facts["epochs"])

    def _take_numbers(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "StepEnded":
                losses = {f"{network}/{term}": v for network, own in event["losses"].items() for term, v in own.items()}
                self._add_all("loss", event, losses)
                self._add_all("share", event, event["shares"])
                self._add_all("weight", event, event["weights"])
                self._add_all("temperature", event, event["temperatures"])
                self._add_all("train_top1", event, event["train_top1"])
                self._add("learning_rate", event["step"], event["learning_rate"])
                self._add("images_per_second", event["step"], event["images_per_second"])
                if began := self._facts["began"]:
                    self._add("seconds", event["step"], self._facts["active_seconds"] + event["time"] - began)
            case "LayersWeighted":
                self._add_all(f"layer_weight/{event['term']}", event, dict(enumerate(event["weights"])))
            case "GradientsMeasured":
                self._add_all("gradient", event, event["norms"])
                self._add_all("gradient_share", event, event["shares"])
            case "WeightAdapted":
                self._add(f"adapted/{event['term']}", event["step"], event["factor"])
            case "TermMeasured":
                self._add_all(f"figure/{event['term']}", event, event["figures"])
            case "RobustnessMeasured":
                for test_set, accuracies in event["accuracy"].items():
                    self._add_all(f"perturbed/{test_set}", event, accuracies)
                for test_set, biases in event["shape_bias"].items():
                    self._add_all(f"shape_bias/{test_set}", event, biases)
            case "SampleMeasured":
                for network, figures in event["figures"].items():
                    for metric in (name for name in figures if name in ("top1", "nll")):
                        self._add(f"sample_{metric}/{network}", event["step"], figures[metric])
                self._facts |= {"sample_images": event["images"], "sample": event["figures"]}
            case "Evaluated" if event["split"] == "validation":
                for network, metrics in event["metrics"].items():
                    for metric in (name for name in metrics if name in ("top1", "nll", "ece")):
                        self._add(f"{metric}/{network}", event["step"], metrics[metric])
                self._latest |= event["metrics"]

    def _take_lists(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "LayersWeighted":
                self._append("layer_weights", event, "term", "weights")
            case "GradientsMeasured":
                self._append("gradients", event, "norms", "shares", "idle")
                del self._lists["gradients"][:-KEPT_GRADIENTS]
            case "WeightAdapted":
                listed = {(item["step"], item["term"]) for item in self._lists["adaptations"]}
                if (event["step"], event["term"]) not in listed:  # else it is repeated, by a run that was resumed here
                    self._append("adaptations", event, "term", "factor", "reason")
            case "RobustnessMeasured":
                self._append("robustness", event, "images", "accuracy", "only", "shape_bias")
                del self._lists["robustness"][:-1]
            case "ProbeTaken":
                if probes := self._lists["probes"]:  # a resumed run takes the one of its first step again
                    del probes[len(probes) - (probes[-1]["step"] == event["step"]) :]
                self._append("probes", event, "file")
            case "CheckpointSaved":
                self._append("checkpoints", event, "file")
                self._remembered[event["step"]] = {
                    "epoch": event["epoch"], "latest": dict(self._latest), "knobs": dict(self._adjusted.factors),
                }  # fmt: skip

    def _append(self, name: str, event: dict[str, Any], *fields: str) -> None:
        self._lists[name].append({field: event[field] for field in ("step", "epoch", *fields)})

    def _take_change(self, event: dict[str, Any], now: float) -> None:
        """A setting that a user changed; of a slider that was dragged, the last value is noted."""
        before = len(self._adjusted.changes)
        sentence = self._adjusted.take(event, self._facts["epoch"])
        start = sentence.partition(" was ")[0] + " was "
        dragged = len(self._adjusted.changes) == before
        if dragged and self._notes and self._notes[-1]["text"].startswith(start):
            self._notes.pop()
        self._note(now, sentence, "info")
        if (value := event["values"].get("new")) is not None:
            self._facts["values"] = {**self._facts.get("values", {}), event["knob"]: value}

    def _add_all(self, group: str, event: dict[str, Any], numbers: dict[Any, Any]) -> None:
        for name, value in numbers.items():
            self._add(f"{group}/{name}", event["step"], value)

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
        """Drop what came after the checkpoint that a run resumes from, or everything (-1)."""
        for name, column in list(self.columns.items()):
            column.forget_after(step)
            if not column.count:
                del self.columns[name]
        for items in self._lists.values():
            items[:] = [item for item in items if item["step"] <= step]
        self._remembered = {saved: then for saved, then in self._remembered.items() if saved <= step}
        then = self._remembered.get(step, {"epoch": 0.0, "latest": {}, "knobs": {}})
        self._facts["epoch"], self._latest = then["epoch"], dict(then["latest"])
        self._adjusted.forget_after(step, then["knobs"])


def read_recipe(folder: Path) -> Recipe:
    """A run's recipe. Raises RecipeError, whatever is wrong with the file."""
    path = folder / "recipe.yaml"
    try:
        regular(path)  # a pipe would block
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror or error}.") from None
    return recipes.load(path)


def created_at(folder: Path) -> float:
    """When a run was created, in seconds since 1970: from its name, else from its folder's last change."""
    with suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(folder.name[:15], "%Y%m%d-%H%M%S"))
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
