"""How long a run still takes, from the times of its events: steps, evaluations, and the measuring on the test images at the end.

A step's time is the median over recent windows of the run, maps and checkpoints included, so that a slow moment does not
change it. What an epoch's end and the test images take is added, so that the sum does not swing from epoch to epoch.
"""

from collections import deque
from statistics import median
from typing import Any

WINDOWS = 50  # in a run
RECENT = 15  # windows that count: with fewer, a machine that others use too makes the estimate swing
RECENT_EPOCHS = 3
AT_EPOCH_ENDS = ("Evaluated", "RobustnessMeasured")


class Pace:
    """Replays the events that cost time. All times are in seconds."""

    def __init__(self) -> None:
        self._windows: deque[float] = deque(maxlen=RECENT)  # seconds a step
        self._epoch_ends: deque[float] = deque(maxlen=RECENT_EPOCHS)
        self._begun: tuple[int, float] | None = None  # step and time at which the present window began
        self._last_step = (0, 0.0)  # the last logged step and its time
        self._last_end = (-1, 0.0)  # the last epoch's end: its step, and what it took
        self._between = 0.0  # time within the present window that epochs' ends took
        self._length = 1  # steps of a window
        self._per_image = 0.0  # student and twin on the sample
        self._sizes = {"validation_images": 0, "test_images": 0}
        self._teacher = 0.0  # seconds an image

    def take(self, event: dict[str, Any]) -> None:
        kind, now, step = event["event"], event["time"], event.get("step", 0)
        match kind:
            case "RunStarted":
                self._windows.clear()
                self._length = max(1, event["steps"] // WINDOWS)
                self._sizes = {name: event[name] for name in self._sizes}
                self._teacher = event["teacher"].get("milliseconds", 0.0) / 1000
                self._begin(step, now)
            case "RunResumed":
                self._begin(step, now)
            case "SampleMeasured" if event["images"]:
                self._per_image = event["seconds"] / event["images"]
                if not self._windows and self._begun and step == self._begun[0]:
                    self._begin(step, now)  # what comes before the first step is no step's time
            case "ProbeTaken" if self._begun and step == self._begun[0]:
                self._begin(step, now)
            case "StepEnded" if self._begun:
                self._last_step = (step, now)
                if step - self._begun[0] >= self._length:
                    self._windows.append((now - self._begun[1] - self._between) / (step - self._begun[0]))
                    self._begin(step, now)
            case _ if kind in AT_EPOCH_ENDS and step == self._last_step[0]:
                self._end_epoch(step, now - self._last_step[1])

    def _end_epoch(self, step: int, took: float) -> None:
        """An epoch's end took so long until now: its evaluation, then its robustness."""
        before = self._last_end[1] if self._last_end[0] == step and self._epoch_ends else 0.0
        if before:
            self._epoch_ends.pop()
        self._epoch_ends.append(took)
        self._between += took - before
        self._last_end = (step, took)

    def _begin(self, step: int, now: float) -> None:
        """Begin a window."""
        self._begun, self._between = (step, now), 0.0

    def remaining(self, step: int, steps: int, epochs: int) -> float | None:
        """Seconds from a step to the end of the run; None before two steps are known."""
        each = self._step_seconds()
        if each is None or not steps or not epochs:
            return None
        epochs_left = epochs - step * epochs // steps
        return (steps - step) * each + epochs_left * self._epoch_end_seconds() + self._test_seconds()

    def _step_seconds(self) -> float | None:
        if self._windows:
            return median(self._windows)
        if not self._begun or self._last_step[0] <= self._begun[0]:
            return None
        return (self._last_step[1] - self._begun[1] - self._between) / (self._last_step[0] - self._begun[0])

    def _epoch_end_seconds(self) -> float:
        return median(self._epoch_ends) if self._epoch_ends else self._per_image * self._sizes["validation_images"]

    def _test_seconds(self) -> float:
        images = self._sizes["validation_images"]
        learners = median(self._epoch_ends) / images if self._epoch_ends and images else self._per_image
        return self._sizes["test_images"] * (learners + self._teacher)

    def plain(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, deque) else value for name, value in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Pace":
        found = cls()
        for name, value in vars(found).items():
            kept = plain[name]
            if isinstance(value, deque):
                value.extend(kept)
            else:
                setattr(found, name, tuple(kept) if isinstance(kept, list) else kept)
        return found
