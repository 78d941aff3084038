"""The table of runs, a page at a time. What is selected is in the address, so that a link shows the same."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from kdcore.recipe import settings
from kdcore.store import ACTIVE, RunState
from kdcore.store.lists import finding, naming
from pages.parts import formatting
from pages.parts.runs import filters, groups, memo

ROWS = 50  # of a page
MOST_SELECTED = 100  # at once, as a link holds
MOST_COLUMNS = 6  # of settings
ADDRESS = "runs-in-address"  # the selection that the checkboxes show
ACCURACY = st.column_config.NumberColumn(
    format="%.1f %%", width="small", help="On the test images, at the end of the run."
)
COLUMNS = {
    "Run": st.column_config.TextColumn(width=300),
    "Tags": st.column_config.ListColumn(width="small"),
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
    """Select other runs, and draw the page again."""
    select_next(ids)
    st.rerun()


def select_next(ids: list[str]) -> None:
    """Select other runs when the page runs next: for callbacks. The table gets a new key, or its checkboxes would restore the
    old selection."""
    groups.at_next(run=ids)
    _new_key()


def _new_key() -> None:
    st.session_state["runs-chosen"] = st.session_state.get("runs-chosen", 0) + 1


def draw(runs: list[RunState]) -> bool:
    """Draw filters and table. True if the rest of the page must be drawn again."""
    if (
        st.session_state.get(ADDRESS, selected()) != selected()
    ):  # changed by Back, a link or the presenter: checkboxes follow
        _new_key()
    st.session_state[ADDRESS] = selected()
    wanted = filters.draw(runs)
    names = memo.names(runs)
    found = filters.ordered(finding.find(runs, wanted), names)
    if not found:
        filters.nothing_found(wanted, len(runs))
        return _changed(runs)
    if groups.kind() == groups.KINDS[0]:
        return _list(runs, found, names, wanted.all)
    all_groups = groups.of(found, names)
    if opened := groups.opened(all_groups):
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("All groups", icon=":material/arrow_back:", key="all-groups"):
                groups.leave()
                st.rerun()
            st.markdown(f"**{formatting.as_text(opened.name)}**", width="content")
        return _list(runs, list(opened.runs), names, all_of_them=False)
    first = _page(len(all_groups))
    groups.draw(all_groups[first : first + ROWS], _key("groups", [group.key for group in all_groups]))
    return _changed(runs)


def _list(runs: list[RunState], found: list[RunState], names: dict[str, str], all_of_them: bool) -> bool:
    """A page of the runs that were found. True if the rest of the page must be drawn again."""
    known = {run.id for run in runs}
    shown, here = [run_id for run_id in dict.fromkeys(selected()) if run_id in known], [run.id for run in found]
    _selection(found, shown, len(runs), all_of_them)
    first = _page(len(found))
    rows_of_page = found[first : first + ROWS]
    ids = here[first : first + ROWS]
    named = [place for place, run_id in enumerate(ids) if run_id in shown]
    table = rows(rows_of_page, names, _columns([] if all_of_them else found, [run for run in runs if run.id in shown]))
    chosen_rows = st.dataframe(
        table, column_config=COLUMNS, hide_index=True, on_select="rerun", selection_mode="multi-row",
        selection_default={"selection": {"rows": named}}, key=_key("runs", ids), placeholder="",
        alt="Runs with status and results",
    )["selection"]["rows"]  # fmt: skip
    chosen = [ids[place] for place in chosen_rows if place < len(ids)]
    if sorted(chosen) == sorted(ids[place] for place in named):
        return _changed(runs)
    elsewhere = [run_id for run_id in shown if run_id not in ids]
    if len(elsewhere) + len(chosen) > MOST_SELECTED:
        st.warning(f"At most {MOST_SELECTED} runs can be selected at once; {len(elsewhere) + len(chosen)} were chosen.")
        return False
    groups.at_next(run=elsewhere + chosen)
    st.session_state[ADDRESS] = elsewhere + chosen
    return True


def _selection(found: list[RunState], shown: list[str], count: int, all_of_them: bool) -> None:
    """How many runs are listed and selected, with buttons for all and none."""
    here = [run.id for run in found]
    with st.container(horizontal=True, vertical_alignment="center"):
        of = (
            ("1 run" if count == 1 else f"{count:,} runs")
            if len(found) == count
            else f"{len(found):,} of {count:,} runs"
        )
        hidden = len([run_id for run_id in shown if run_id not in set(here)])
        of += f", {len(shown)} selected" if shown else ""
        of += f" ({hidden} not in this list)" if hidden else ""
        st.caption(of, width="content")
        if not all_of_them and groups.opened_key() is None:
            st.button("Clear search and filters", on_click=filters.clear, type="tertiary", key="clear-filters")
        if 1 < len(here) <= MOST_SELECTED and not set(here) <= set(shown):
            label = f"Select all {len(here)}"
            if st.button(label, type="tertiary", key="select-all"):
                select(list(dict.fromkeys([*shown, *here]))[:MOST_SELECTED])
        if shown and st.button("Clear selection", type="tertiary", key="select-none"):
            select([])


def _page(count: int) -> int:
    """The first row of the chosen page."""
    pages = -(-count // ROWS)
    if pages < 2:
        return 0
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = pages
    return ROWS * (st.pagination(pages, key="page", bind="query-params") - 1)


def _key(what: str, ids: list[str]) -> str:
    """A new list needs a new key: rows are selected by position."""
    return f"{what}-{st.session_state.get('runs-chosen', 0)}-" + hashlib.sha256(" ".join(ids).encode()).hexdigest()[:12]


def _changed(runs: list[RunState]) -> bool:
    """Whether a run has begun, ended or gone since the page was drawn."""
    states = [(run.id, run.status) for run in runs]
    before = st.session_state.get("runs-drawn", states)
    st.session_state["runs-drawn"] = states
    return bool(before != states)


def _columns(found: list[RunState], chosen: list[RunState]) -> list[str]:
    """The settings with a column: in which the selected runs differ, else those that were searched for, or of a group."""
    compared = chosen if len(chosen) > 1 else found
    if len(compared) > MOST_SELECTED:
        return []
    different = settings.differing([run.settings for run in compared if run.settings])
    return list(different)[:MOST_COLUMNS]


def rows(
    runs: Sequence[RunState], names: dict[str, str] | None = None, columns: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A row per run; tags where a run has some, and if one is damaged, a column that shows what is wrong."""
    damaged, tagged = any(run.damage for run in runs), any(run.label.tags for run in runs)
    names, found = names or naming.of(runs), []
    for run in runs:
        first, *rest = row(run, names[run.id]).items()
        tags = {"Tags": list(run.label.tags)} if tagged else {}
        varied = {
            _heading(key): settings.in_words(settings.value(run.settings, key)) if run.settings else ""
            for key in columns
        }
        found.append(dict([first]) | tags | varied | dict(rest) | ({"Problem": run.damage} if damaged else {}))
    return found


def _heading(key: str) -> str:
    """The heading of a setting's column: `Seed`; a term's name keeps its case, as in `kd temperature`."""
    words = settings.called(key) or "terms"
    return words if key.startswith("terms.") else words[:1].upper() + words[1:]


def row(run: RunState, name: str) -> dict[str, Any]:
    label = formatting.STATUS[run.status][0]
    accuracy = {
        network: 100 * run.results[network]["top1"] if network in run.results else None
        for network in ("student", "twin", "teacher")
    }
    until = time.time() if run.status in ACTIVE else run.updated
    spent = run.active_seconds + (until - run.began if run.began else 0.0)
    marks = ("📌 " if run.label.pinned else "") + name
    marks += " (recording)" if run.recorded else ""
    return {
        "Run": marks + (" (archived)" if run.label.archived else ""),
        "Status": f"{label}, {formatting.percent(run.progress, 0)}" if 0 < run.progress < 1 else label,
        "Student": accuracy["student"],
        "Twin": accuracy["twin"],
        "Teacher": accuracy["teacher"],
        "Difference": memo.difference(run),
        "Device": run.device,
        "Started": formatting.when(run.created),
        "Duration": formatting.duration(spent) if spent else "",
    }
