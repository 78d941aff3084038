"""Settings and results of many runs on parallel axes: which values lead to which accuracy, on validation and on test images."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from kdcore.recipe import settings
from kdcore.store import RunState
from pages.parts.components.parallel_axes.parallel_axes import Axis, parallel_axes
from pages.parts.runs import table

LEAST_RUNS = 4
MOST_SETTINGS = 6
RESULTS = (("student", "Student"), ("twin", "Twin"))  # names of axes are in addresses


def draw(runs: Sequence[RunState], names: dict[str, str]) -> None:
    """The parallel axes of the runs that have results, where a few settings differ."""
    finished = [run for run in runs if run.settings and "student" in run.results]
    different = settings.differing([run.settings for run in finished])
    if len(finished) < LEAST_RUNS or not different:
        return
    st.subheader("Settings and accuracy", anchor=False)
    left_out = len(different) - MOST_SETTINGS
    axes = [Axis(_title(key), tuple(map(_value, values))) for key, values in list(different.items())[:MOST_SETTINGS]]
    validated = tuple(run.latest.get("student", {}).get("top1") for run in finished)
    if any(value is not None for value in validated):
        axes.append(Axis("Student, validation", validated, unit="%", network="student"))
    for network, title in RESULTS:
        accuracies = tuple(run.results.get(network, {}).get("top1") for run in finished)
        if any(value is not None for value in accuracies):
            axes.append(Axis(title, accuracies, unit="%", network=network))
    ids = [run.id for run in finished]
    parallel_axes(
        [names[run_id] for run_id in ids],
        axes,
        lambda kept: table.select_next([ids[place] for place in kept if place < len(ids)]),
    )
    more = f" {left_out} more settings differ; the table below has them." if left_out > 0 else ""
    st.caption(
        "A line is a run. Drag along an axis to keep a range; Escape shows all again. Student, twin: accuracy "
        f"on the test images. Choose settings by that on validation images: the best of many on the test images is too high for others.{more}"
    )


def _title(key: str) -> str:
    return settings.called(key) or "terms"


def _value(value: Any) -> float | str | None:
    """A number stays one; all else is a word. A missing term or section has no value."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], int):
        return value[0]  # the seed
    return settings.in_words(value)
