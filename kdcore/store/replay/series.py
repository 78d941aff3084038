"""The series of a run: which numbers each event adds, and under which names."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kdcore.store.replay.columns import Column

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> (steps, values)
VALIDATION, SAMPLE = ("top1", "nll", "ece"), ("top1", "nll")  # metrics of each network that become series


class Series:
    """The numbers of a run over its steps, by name; see `Store.series` for the names."""

    def __init__(self, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None) -> None:
        self._columns = {name: Column(steps, values) for name, (steps, values) in (arrays or {}).items()}

    def take(self, event: dict[str, Any]) -> None:
        """Add the numbers of an event."""
        for name, value in _numbers(event):
            self.add(name, event["step"], value)

    def add(self, name: str, step: int, value: float | None) -> None:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = Column()
        column.add(step, math.nan if value is None else value)

    def forget_after(self, step: int) -> None:
        for name, column in list(self._columns.items()):
            column.forget_after(step)
            if not column.count:
                del self._columns[name]

    def view(self) -> Arrays:
        """Read-only arrays, which never change."""
        return {name: column.view() for name, column in self._columns.items()}


def _numbers(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The numbers of an event, by the names of their series."""
    match event["event"]:
        case "StepEnded":
            yield from _of_step(event)
        case "LayersWeighted":
            yield from _named(f"layer_weight/{event['term']}", dict(enumerate(event["weights"])))
        case "GradientsMeasured":
            yield from _named("gradient", event["norms"])
            yield from _named("gradient_share", event["shares"])
        case "WeightAdapted":
            yield f"adapted/{event['term']}", event["factor"]
        case "TermMeasured":
            yield from _named(f"figure/{event['term']}", event["figures"])
        case "RobustnessMeasured":
            for test_set, accuracies in event["accuracy"].items():
                yield from _named(f"perturbed/{test_set}", accuracies)
            for test_set, biases in event["shape_bias"].items():
                yield from _named(f"shape_bias/{test_set}", biases)
        case "SampleMeasured":
            yield from _metrics("sample_", event["figures"], SAMPLE)
        case "Evaluated" if event["split"] == "validation":
            yield from _metrics("", event["metrics"], VALIDATION)


def _of_step(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for network, losses in event["losses"].items():
        yield from _named(f"loss/{network}", losses)
    yield from _named("share", event["shares"])
    yield from _named("weight", event["weights"])
    yield from _named("temperature", event["temperatures"])
    yield from _named("train_top1", event["train_top1"])
    yield "learning_rate", event["learning_rate"]
    yield "images_per_second", event["images_per_second"]


def _named(group: str, numbers: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in numbers.items():
        yield f"{group}/{name}", value


def _metrics(prefix: str, networks: dict[str, Any], metrics: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Metrics of each network, in the order in which the event has them."""
    for network, found in networks.items():
        for metric in (name for name in found if name in metrics):
            yield f"{prefix}{metric}/{network}", found[metric]
