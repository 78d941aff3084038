"""Caches what is computed from all runs of the list until one of them changes: of thousands it takes most of a redraw."""

from collections.abc import Sequence
from typing import Any

from kdcore.results.comparison import summarise
from kdcore.store import RunState
from kdcore.store.lists import finding, naming
from pages.parts import formatting

MOST_HELD = 2  # lists: that of the operator and that of visitors
MOST_RUNS = 20_000

_names: dict[Any, dict[str, str]] = {}
_values: dict[Any, dict[str, dict[str, int]]] = {}
_differences: dict[str, tuple[Any, str]] = {}


def names(runs: Sequence[RunState]) -> dict[str, str]:
    """Run id -> its name in the list."""
    return _held(_names, tuple((run.id, run.name, len(run.settings)) for run in runs), lambda: naming.of(runs))


def values(runs: Sequence[RunState]) -> dict[str, dict[str, int]]:
    """Field -> the values to filter by, see `finding.values`."""
    key = tuple((run.id, run.status, run.label.tags, len(run.settings)) for run in runs)
    return _held(_values, key, lambda: finding.values(runs))


def _held(held: dict[Any, Any], key: Any, make: Any) -> Any:
    if key not in held:
        while len(held) >= MOST_HELD:
            held.pop(next(iter(held)), None)
        held[key] = make()
    return held[key]


def difference(run: RunState) -> str:
    """Student - twin with its interval, as text; empty without a result."""
    if "difference" not in run.results:
        return ""
    known = _differences.get(run.id)
    if known and known[0] is run.results:
        return known[1]
    figure = summarise([run.outcome]).difference
    words = formatting.gap(figure) if figure else ""
    if len(_differences) >= MOST_RUNS:
        _differences.clear()
    _differences[run.id] = run.results, words
    return words
