"""Runs that differ in their seed alone, by the settings of their recipes."""

import json
from collections.abc import Iterable
from typing import Any

from kdcore.store.state import RunState


def seed_groups(runs: Iterable[RunState]) -> list[list[str]]:
    """The finished runs among these, grouped by recipe without its seed. A group is sorted by seed and has each seed once.

    A fork is in none: its recipe is not all that decides it. Nor is a run whose recipe cannot be read.
    """
    groups: dict[str, dict[tuple[int, ...], str]] = {}
    for run in runs:
        if run.status == "finished" and not run.parent and run.settings:
            groups.setdefault(but_seed(run), {}).setdefault(seeds(run), run.id)
    return [[found[each] for each in sorted(found)] for found in groups.values()]


def but_seed(run: RunState) -> str:
    """What decides a run, without its name, note and seed; empty where its recipe cannot be read."""
    return json.dumps(_rest(run), sort_keys=True) if run.settings else ""


def with_seeds(run: RunState, runs: Iterable[RunState]) -> list[str]:
    """A run and the others of its recipe, as `seed_groups` has them; itself alone where there are none."""
    rest = _rest(run)
    found = seed_groups([run, *(each for each in runs if len(each.settings) in _sizes(rest) and _rest(each) == rest)])
    return found[0] if found else [run.id]


def seeds(run: RunState) -> tuple[int, ...]:
    return tuple(run.settings.get("seeds", (0,)))


def _rest(run: RunState) -> dict[str, Any]:
    return {key: value for key, value in run.settings.items() if key != "seeds"}


def _sizes(rest: dict[str, Any]) -> tuple[int, int]:
    """The number of settings of runs with these, whose seed may be the default."""
    return len(rest), len(rest) + 1
