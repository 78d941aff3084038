"""The table of runs. The selection is in the address, so that a link shows the same."""

import hashlib
import time
from typing import Any

import streamlit as st

from kdcore.results.comparison import summarise
from kdcore.store import ACTIVE, RunState
from pages.parts import formatting

ACCURACY = st.column_config.NumberColumn(
    format="%.1f %%", width="small", help="On the test images, at the end of the run."
)
COLUMNS = {
    "Run": st.column_config.TextColumn(width=220),
    "Student": ACCURACY,
    "Twin": ACCURACY,
    "Teacher": ACCURACY,
    "Problem": st.column_config.TextColumn(width="large", help="What cannot be read in the run's folder."),
    "Difference": st.column_config.TextColumn(
        "Student − twin",
        help="Student − twin in percentage points. The 95 % interval covers the choice of the test images, of each run "
        "alone; without one there is no conclusion, for the reason that the run states.",
    ),
}


def selected() -> list[str]:
    """The ids of the runs in the address."""
    return st.query_params.get_all("run")


def select(ids: list[str]) -> None:
    """Select other runs. The table gets a new key, or its checkboxes would restore the old selection."""
    st.query_params["run"] = ids
    st.session_state["runs-chosen"] = st.session_state.get("runs-chosen", 0) + 1
    st.rerun()


def draw(runs: list[RunState]) -> bool:
    """Draw the table. True if the rest of the page must be drawn again."""
    ids = [run.id for run in runs]
    # a new list of runs needs a new key: rows are selected by position
    key = f"runs-{st.session_state.get('runs-chosen', 0)}-" + hashlib.sha256(" ".join(ids).encode()).hexdigest()[:12]
    named = [place for place, run_id in enumerate(ids) if run_id in selected()]
    found = st.dataframe(
        rows(runs), column_config=COLUMNS, hide_index=True, on_select="rerun", selection_mode="multi-row",
        selection_default={"selection": {"rows": named}}, key=key, placeholder="", alt="Runs with status and results",
    )  # fmt: skip
    chosen = [ids[place] for place in found["selection"]["rows"] if place < len(ids)]
    states = [(run.id, run.status) for run in runs]
    before = st.session_state.get("runs-drawn", states)
    st.session_state["runs-drawn"] = states
    if sorted(chosen) == sorted(ids[place] for place in named):
        return before != states
    if chosen:
        st.query_params["run"] = chosen
    else:
        st.query_params.pop("run", None)
    return True


def rows(runs: list[RunState]) -> list[dict[str, Any]]:
    """A row per run; if one is damaged, a column shows what is wrong."""
    if not any(run.damage for run in runs):
        return [row(run) for run in runs]
    return [row(run) | {"Problem": run.damage} for run in runs]


def row(run: RunState) -> dict[str, Any]:
    label = formatting.STATUS[run.status][0]
    accuracy = {
        name: 100 * run.results[name]["top1"] if name in run.results else None
        for name in ("student", "twin", "teacher")
    }
    until = time.time() if run.status in ACTIVE else run.updated
    spent = run.active_seconds + (until - run.began if run.began else 0.0)
    return {
        "Run": run.name + (" (recording)" if run.recorded else ""),
        "Status": f"{label}, {formatting.percent(run.progress, 0)}" if 0 < run.progress < 1 else label,
        "Student": accuracy["student"],
        "Twin": accuracy["twin"],
        "Teacher": accuracy["teacher"],
        "Difference": difference(run),
        "Device": run.device,
        "Started": formatting.when(run.created),
        "Duration": formatting.duration(spent) if spent else "",
    }


def difference(run: RunState) -> str:
    if "difference" not in run.results:
        return ""
    figure = summarise([run.outcome]).difference
    return formatting.gap(figure) if figure else ""
