"""A series: one number of a run over its steps."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

NOTHING = np.empty(0)


class Column:
    """One number over growing steps. Arrays that `view` returned never change: new values are appended behind them."""

    def __init__(self, steps: np.ndarray = NOTHING, values: np.ndarray = NOTHING) -> None:
        self.count = len(steps)
        self._steps, self._values = steps, values
        self._last = int(steps[-1]) if self.count else -1
        self._room = self.count  # the given arrays are not written to

    def add(self, step: int, value: float) -> None:
        if step <= self._last:  # measured again by a resumed run
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


def summed(series: Mapping[str, tuple[np.ndarray, np.ndarray]], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and sums of several series, such as the weights of chosen layers, at the steps that all of them have. Missing ones make
    it empty."""
    if not names or not all(name in series for name in names):
        return NOTHING, NOTHING
    steps = series[names[0]][0]
    for name in names[1:]:
        steps = np.intersect1d(steps, series[name][0])
    values = sum(own[np.searchsorted(at, steps)] for at, own in (series[name] for name in names))
    return steps, np.asarray(values)


def as_csv(series: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Series as CSV: one row for each step, one column for each series, empty where nothing was measured."""
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
