"""Series of a run as its curves draw them: a bounded number of points each, their means, and marks where settings changed."""

import math
from typing import Any

import numpy as np

from kdcore.errors import UserError
from kdcore.recipe.study import called
from kdcore.results import json_text
from kdcore.runtime.once import once
from kdcore.store import ACTIVE, RunState, Store

MOST_POINTS = 1500  # of a series, in one response
MOST_MARKS = 40  # of a run, the newest
Series = dict[str, tuple[np.ndarray, np.ndarray]]


@once(maxsize=64)
def new_points(store: Store, run_id: str, version: int, status: str, since: int, names: tuple[str, ...]) -> bytes:
    """All about a run's curves and their points from the step `since` on, as JSON; all points where the run has no such step.

    A series is [steps, values], or if it is thinned out [steps, values, steps of the means, means, usual distance of steps].
    Cached as bytes, since all browsers that watch a run request the same.
    """
    run, found = store.state(run_id), store.series(run_id)
    reset = since < 0 or since > run.step  # a resumed run starts again from its checkpoint
    if reset and run.parent:
        found = with_start(store, run, found)
    points = {}
    for name in names or found:
        if name in found:
            steps, values = found[name]
            # the step `since` is sent again, as its evaluation comes after its losses
            first = 0 if reset else int(np.searchsorted(steps, since))
            points[name] = drawn(steps[first:], values[first:])
    response = {
        "status": status, "active": status in ACTIVE, "step": run.step, "epochs": run.epochs, "reset": reset,
        "steps_per_epoch": run.steps / run.epochs if run.steps and run.epochs else 0, "teacher": run.teacher,
        "train_images": run.train_images, "marks": marks(store, run), "series": points,
    }  # fmt: skip
    return json_text.text(response, separators=(",", ":")).encode()


def with_start(store: Store, run: RunState, found: Series) -> Series:
    """The series of a fork, each from the last point of its parent on, so that it is drawn from where it was forked."""
    try:
        parents = store.series(run.parent)
    except UserError:  # it was deleted
        return found
    started = dict(found)
    for name, (steps, values) in parents.items():
        place = int(np.searchsorted(steps, run.forked_at, side="right")) - 1
        own_steps, own_values = found.get(name, (steps[:0], values[:0]))
        if place >= 0 and not (len(own_steps) and own_steps[0] <= steps[place]):
            start = slice(place, place + 1)
            started[name] = np.concatenate([steps[start], own_steps]), np.concatenate([values[start], own_values])
    return started


@once(maxsize=64)
def stretch(store: Store, run_id: str, version: int, first: int, last: int, names: tuple[str, ...]) -> bytes:
    """The points between two steps, and the one on either side, as JSON: all of them where they are few enough."""
    found, points = store.series(run_id), {}
    for name in names or found:
        if name in found:
            steps, values = found[name]
            start = max(0, int(np.searchsorted(steps, first)) - 1)
            stop = int(np.searchsorted(steps, last, side="right")) + 1
            points[name] = drawn(steps[start:stop], values[start:stop])
    return json_text.text({"series": points}, separators=(",", ":")).encode()


def drawn(steps: np.ndarray, values: np.ndarray) -> list[Any]:
    """A series as lists, thinned out to `MOST_POINTS` points and half as many means."""
    if len(steps) <= MOST_POINTS:
        return _plain(steps, values)
    every = float(np.median(np.diff(steps)))
    return [*_plain(*thinned(steps, values, MOST_POINTS)), *_plain(*means(steps, values, MOST_POINTS // 2)), every]


def thinned(steps: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points: the lowest and the highest of each interval, so that no spike is lost."""
    if len(steps) <= most:
        return steps, values
    gaps = np.isnan(values)
    # an interval of gaps alone keeps its first point, which is a gap
    low, high = (np.where(gaps, of, values) if gaps.any() else values for of in (np.inf, -np.inf))
    length = -(-len(steps) // (most // 2 - 1))  # of an interval; the last one is shorter
    whole = len(steps) // length * length
    starts = np.arange(0, whole, length)
    lowest, highest = low[:whole].reshape(-1, length).argmin(1), high[:whole].reshape(-1, length).argmax(1)
    kept = [0, *(starts + lowest), *(starts + highest)]
    if whole < len(steps):
        kept += [whole + int(low[whole:].argmin()), whole + int(high[whole:].argmax())]
    chosen = np.unique([*kept, len(steps) - 1])
    return steps[chosen], values[chosen]


def means(steps: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The means of at most `most` intervals, each at the mean of its steps; a smoothed curve follows them, not the extremes."""
    starts = np.arange(0, len(steps), -(-len(steps) // most))
    there = np.isfinite(values)
    counts, sizes = np.add.reduceat(there.astype(np.int64), starts), np.diff([*starts, len(steps)])
    with np.errstate(invalid="ignore"):
        found = np.add.reduceat(np.where(there, values, 0.0), starts) / counts
    return np.add.reduceat(steps, starts) / sizes, found


def marks(store: Store, run: RunState) -> list[list[Any]]:
    """[step, words] wherever a user, the recipe or a fork changed a setting of the run."""
    found = [[change["step"], change["words"]] for change in run.knob_changes] + [
        [change["step"], f"Weight of {change['term']}: lowered to × {change['factor']:.3g}"] for change in run.adaptations
    ]  # fmt: skip
    if run.parent:
        found.append([run.forked_at, f"Fork: {fork_changes(store, run)}"])
    return sorted(found)[-MOST_MARKS:]


def fork_changes(store: Store, run: RunState) -> str:
    """What a fork changed: `kd weight 0.9 → 0.2`."""
    try:
        recipe = store.recipe(run.id)
        words = [
            f"{called(key, recipe)} {_short(before)} → {_short(after)}"
            for key, (before, after) in run.fork_changes.items()
        ]
    except (UserError, LookupError, ValueError):  # the recipe cannot be read, or has other terms
        words = list(run.fork_changes)
    return ", ".join(words) or "no setting changed"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:40]


def _plain(steps: np.ndarray, values: np.ndarray) -> list[list[Any]]:
    """Steps and values as lists; five significant digits are more than a screen shows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (4 - np.floor(np.log10(np.abs(values))))
        rounded = np.where(values == 0, 0.0, np.round(values * scale) / scale)
    return [steps.tolist(), [value if math.isfinite(value) else None for value in rounded.tolist()]]
