"""The history of a run: what its events add up to, one after another, up to its state."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from kdcore.store.replay.adjustments import Adjustments
from kdcore.store.replay.pace import Pace
from kdcore.store.replay.series import Arrays, Series
from kdcore.store.state import ENDS, RESUMABLE, RunState

KEPT_NOTES = 50
KEPT_GRADIENTS = 5  # the newest; all of them are among the series
LISTS = ("probes", "checkpoints", "layer_weights", "gradients", "adaptations", "robustness")
STARTED = ("steps", "epochs", "device", "train_images", "labelled_images", "parameters", "teacher")


class History:
    """The facts, lists, notes and series of a run, as far as its events were taken.

    facts: fields of `RunState` by name. A resumed run forgets what came after its checkpoint.
    """

    def __init__(self, run_id: str, created: float, recorded: bool) -> None:
        self.facts: dict[str, Any] = {
            "id": run_id, "name": run_id, "epochs": 0, "created": created, "recorded": recorded, "status": "created",
            "step": 0, "epoch": 0.0, "began": 0.0, "active_seconds": 0.0, "updated": 0.0, "settings": {},
        }  # fmt: skip
        self.series = Series()
        self._lists: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}  # they only grow
        self._notes: deque[dict[str, Any]] = deque(maxlen=KEPT_NOTES)
        self._latest: dict[str, dict[str, float]] = {}
        self._adjusted = Adjustments()
        self._pace = Pace()
        self._remembered: dict[int, dict[str, Any]] = {}  # step of a checkpoint -> what a run resumed there has again
        self._last_event = 0.0  # time of the last event while the run was in progress

    def state(self, damage: str) -> RunState:
        facts = self.facts
        lists: dict[str, Any] = {name: tuple(items) for name, items in self._lists.items()}
        return RunState(
            **facts,
            **lists,
            notes=tuple(self._notes),
            latest=dict(self._latest),
            knobs=dict(self._adjusted.factors),
            knob_changes=tuple(self._adjusted.changes),
            undoable=self._adjusted.undoable(),
            seconds_left=self._pace.remaining(facts["step"], facts.get("steps", 0), facts["epochs"]),
            damage=damage,
        )

    def plain(self) -> dict[str, Any]:
        """All but the series, for `restore`."""
        return {
            "facts": self.facts, "lists": self._lists, "notes": list(self._notes), "latest": self._latest,
            "adjusted": self._adjusted.plain(), "pace": self._pace.plain(),
            "remembered": list(self._remembered.items()), "heard": self._last_event,
        }  # fmt: skip

    def restore(self, plain: dict[str, Any], series: Arrays, own: Sequence[str]) -> None:
        """As it was when `plain` was written, but for the facts named in `own`: the folder may be a copy.

        Raises KeyError, TypeError, ValueError or AttributeError where another program changed the file.
        """
        here = {key: self.facts[key] for key in own}
        self.facts = plain["facts"] | here | {"classes": tuple(plain["facts"].get("classes", ()))}
        self._lists, self._latest = plain["lists"], plain["latest"]
        self._adjusted, self._pace = Adjustments.from_plain(plain["adjusted"]), Pace.from_plain(plain["pace"])
        self._notes.clear()
        self._notes.extend(plain["notes"])
        self._remembered, self._last_event = dict(plain["remembered"]), plain["heard"]
        self.series = Series(series)

    def note(self, now: float, text: str, level: str) -> None:
        self._notes.append({"time": now, "text": text, "level": level})

    def take(self, event: dict[str, Any]) -> None:
        now = event["time"]
        self._pace.take(event)
        self.facts["updated"] = now
        self._take_status(event, now)
        self._take_numbers(event)
        self._take_lists(event)
        if self.facts["status"] in ("running", "paused"):
            self._last_event = now

    def _take_status(self, event: dict[str, Any], now: float) -> None:
        facts, kind = self.facts, event["event"]
        match kind:
            case "Queued":
                self._end_stretch(self._last_event)  # a killed run that is resumed was active until its last event
                facts["status"] = "queued"
            case "RunForked":
                self._fork(event)
            case "Noted":
                self.note(now, event["text"], event["level"])
                if facts["status"] in ("created", "queued", *RESUMABLE):
                    facts["status"] = "preparing"
            case "RunStarted":
                self._start(event, now)
            case "StepEnded":
                self._step(event)
            case "KnobTurned":
                self._change(event, now)
            case "RunPaused":
                facts |= {"status": "paused", "step": event["step"]}
            case "RunResumed":
                facts["status"] = "running"
            case "RunFinished" | "RunStopped" | "RunFailed":
                self._end(event, now)

    def _fork(self, event: dict[str, Any]) -> None:
        step, epoch = event["step"], event["epoch"]
        self._adjusted = Adjustments({name: float(factor) for name, factor in event["knobs"].items()})
        self.facts |= {"parent": event["parent"], "forked_at": step, "forked_epoch": epoch}
        self.facts |= {"fork_changes": event["changed"], "step": step, "epoch": epoch}

    def _start(self, event: dict[str, Any], now: float) -> None:
        step = event["step"]
        self._forget_after(step if event["resumed"] else -1)
        self._end_stretch(self._last_event)
        self.facts |= {name: event[name] for name in STARTED}
        self.facts |= {"status": "running", "step": step, "classes": tuple(event["classes"]), "began": now}
        self.facts |= {"reason": "", "traceback": "", "results": {}, "test_file": ""}

    def _step(self, event: dict[str, Any]) -> None:
        self.facts |= {name: event[name] for name in ("step", "epoch", "images_per_second")}
        self.facts["values"] = {
            **{f"weight/{term}": value for term, value in event["weights"].items()},
            **{f"temperature/{term}": value for term, value in event["temperatures"].items()},
            "learning_rate": event["learning_rate"],
        }

    def _change(self, event: dict[str, Any], now: float) -> None:
        """A setting that a user changed; of a slider that was dragged, the last value is noted."""
        before = len(self._adjusted.changes)
        sentence = self._adjusted.take(event, self.facts["epoch"])
        start = sentence.partition(" was ")[0] + " was "
        dragged = len(self._adjusted.changes) == before
        if dragged and self._notes and self._notes[-1]["text"].startswith(start):
            self._notes.pop()
        self.note(now, sentence, "info")
        if (value := event["values"].get("new")) is not None:
            self.facts["values"] = {**self.facts.get("values", {}), event["knob"]: value}

    def _end(self, event: dict[str, Any], now: float) -> None:
        self._end_stretch(now)
        self.facts |= {"status": ENDS[event["event"]], "step": event.get("step", self.facts["step"])}
        self.facts |= {key: event.get(key, "") for key in ("reason", "traceback")}
        if event["event"] == "RunFinished":
            self.facts |= {"results": event["results"], "test_file": event["file"]}
            self.facts["epoch"] = float(self.facts["epochs"])

    def _take_numbers(self, event: dict[str, Any]) -> None:
        self.series.take(event)
        match event["event"]:
            case "StepEnded" if began := self.facts["began"]:
                self.series.add("seconds", event["step"], self.facts["active_seconds"] + event["time"] - began)
            case "SampleMeasured":
                self.facts |= {"sample_images": event["images"], "sample": event["figures"]}
            case "Evaluated" if event["split"] == "validation":
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

    def _end_stretch(self, when: float) -> None:
        if self.facts["began"]:
            self.facts["active_seconds"] += max(0.0, when - self.facts["began"])
            self.facts["began"] = 0.0

    def _forget_after(self, step: int) -> None:
        """Drop what came after the checkpoint that a run resumes from, or everything (-1)."""
        self.series.forget_after(step)
        for items in self._lists.values():
            items[:] = [item for item in items if item["step"] <= step]
        self._remembered = {saved: then for saved, then in self._remembered.items() if saved <= step}
        then = self._remembered.get(step, {"epoch": 0.0, "latest": {}, "knobs": {}})
        self.facts["epoch"], self._latest = then["epoch"], dict(then["latest"])
        self._adjusted.forget_after(step, then["knobs"])
