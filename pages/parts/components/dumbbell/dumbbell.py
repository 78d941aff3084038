"""Networks on test sets: a row per set with each network's value and interval on one scale. A click returns the row."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pages.parts.components.loading import component, sent

KEY = "dumbbell"
SHAPES: tuple["Shape", ...] = ("disc", "ring", "diamond", "square")
STEPS = (1, 2, 5, 10)  # of a scale, times a power of ten
MOST_TICKS = 6

Shape = Literal["disc", "ring", "diamond", "square"]
_component = component(KEY)


@dataclass(frozen=True)
class Network:
    """A network of the chart. colour: in CSS."""

    key: str
    name: str
    colour: str
    shape: Shape


@dataclass(frozen=True)
class Note:
    """A few words at the end of a row, with their meaning on hover."""

    text: str
    meaning: str
    warning: bool = False


@dataclass(frozen=True)
class Row:
    """A test set at a strength.

    marks: network -> value and the ends of its interval; one whose value is NaN is left out.
    gap: the difference of the two compared networks, as text; `claimed`: it is not 0, by its interval.
    label: all of the row in words, for a screen reader and on hover. none: why there is no mark.
    opens: whether a click does something.
    """

    id: str
    title: str
    strength: str
    marks: Mapping[str, tuple[float, float, float]]
    label: str
    gap: str = ""
    claimed: bool = False
    notes: tuple[Note, ...] = field(default=())
    none: str = ""
    opens: bool = True


def draw(
    networks: Sequence[Network],
    groups: Mapping[str, Sequence[Row]],
    write: Callable[[float], str],
    *,
    bar: tuple[str, ...] = (),
    first: str = "Test set",
    last: str = "",
    chosen: str = "",
    on_pick: Callable[[str], None] | None = None,
    scroll_to: str = "",
    key: str = KEY,
) -> None:
    """Draw the chart.

    Args:
        groups: heading -> rows; an empty heading is not drawn.
        write: a value of the scale as text.
        bar: the two networks between whose marks a bar is drawn.
        first, last: titles of the columns. chosen: the row that is marked.
        on_pick: gets the id of a row that is clicked, before the page runs again. scroll_to: the key of the container that a click
            scrolls to.
    """
    low, high, step = scale_of([end for rows in groups.values() for row in rows for mark in row.marks.values() for end in mark])  # fmt: skip
    ticks = [low + step * place for place in range(round((high - low) / step) + 1)]
    _component(
        key=key,
        data={
            "networks": [asdict(network) for network in networks],
            "groups": [
                {"title": title, "rows": [_plain(row) for row in rows]} for title, rows in groups.items() if rows
            ],
            "scale": {
                "low": low,
                "high": high,
                "ticks": [{"value": tick, "text": write(tick)} for tick in ticks],
            },
            "bar": list(bar),
            "first": first,
            "last": last,
            "chosen": chosen,
            "clickable": on_pick is not None,
            "scrollTo": scroll_to,
        },
        on_picked_change=lambda: on_pick(picked) if on_pick and (picked := sent(key, "picked", str)) else None,
    )


def scale_of(values: Sequence[float]) -> tuple[float, float, float]:
    """The ends of a scale that holds all finite values, and the step of its ticks: round numbers."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    spread = max(high - low, 1e-3)
    power = 10.0 ** math.floor(math.log10(spread / MOST_TICKS))
    step = next(each * power for each in STEPS if spread / (each * power) <= MOST_TICKS)
    return (
        math.floor(low / step + 1e-9) * step,
        max(math.ceil(high / step - 1e-9), math.floor(low / step) + 1) * step,
        step,
    )


def _plain(row: Row) -> dict[str, Any]:
    """As JSON has it, which knows no NaN."""
    marks = {
        key: dict(zip(("value", "low", "high"), (None if math.isnan(end) else end for end in mark), strict=True))
        for key, mark in row.marks.items()
    }
    return asdict(row) | {"marks": marks}
