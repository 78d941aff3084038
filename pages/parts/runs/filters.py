"""Which runs the list shows: search, filters, order and grouping. All of it is in the address."""

from collections.abc import Sequence

import streamlit as st

from kdcore.store import RunState
from kdcore.store.lists.finding import FIELDS, Archived, Wanted
from pages.parts import formatting
from pages.parts.runs import groups, memo

TITLES = {
    "status": "Status", "method": "Method", "teacher": "Teacher", "student": "Student", "dataset": "Dataset", "tag": "Tag",
}  # fmt: skip
KEYS = {name: name for name in FIELDS} | {"method": "term"}  # in the address; other pages have a `method`
# An address has the words that a widget shows.
ARCHIVED: dict[str, Archived] = {"Hidden": "hide", "Shown": "show", "Only these": "only"}
ORDERS = ("Newest first", "Oldest first", "Name", "Student's accuracy", "Student − twin")
DEFAULTS = {"q": "", "since": None, "until": None, "archived": "Hidden", **{key: [] for key in KEYS.values()}}


def draw(runs: Sequence[RunState]) -> Wanted:
    """The search field, the popover of filters, order and grouping. Returns what is to be found."""
    options = memo.values(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search", key="q", bind="query-params", type="search", placeholder="Name, tag, note, or a setting: kd 0.9",
            icon=":material/search:", max_chars=200, width=340, live=True,
        )  # fmt: skip
        count = sum(bool(st.query_params.get(name)) for name in (*KEYS.values(), "since", "until", "archived"))
        with st.popover(f"Filter ({count})" if count else "Filter", icon=":material/filter_list:", key="filters"):
            with st.grid(columns=2, min_column_width=180, key="fields"):
                fields = {name: field(name, options[name]) for name in FIELDS}
            with st.container(horizontal=True):
                since = st.date_input("Created from", None, key="since", bind="query-params", width=150)
                until = st.date_input("to", None, key="until", bind="query-params", width=150)
            archived = st.segmented_control(
                "Archived runs", list(ARCHIVED), default="Hidden", required=True, key="archived", bind="query-params",
            )  # fmt: skip
        st.selectbox("Order", ORDERS, key="order", bind="query-params", width=180)
        st.selectbox("Group by", groups.KINDS, key="group", bind="query-params", width=160)
    return Wanted(words or "", fields, since, until, ARCHIVED[archived or "Hidden"])


def field(name: str, counted: dict[str, int]) -> list[str]:
    """One field's accepted values, the most frequent first; nothing to choose where no run has any."""
    if not counted:
        return []
    options = [formatting.STATUS[value][0] for value in counted] if name == "status" else list(counted)
    chosen = st.multiselect(
        TITLES[name],
        list(dict.fromkeys(options)),
        key=KEYS[name],
        bind="query-params",
        placeholder="All",
        max_selections=50,
    )
    return [value for value, words in zip(counted, options, strict=True) if words in chosen]


def clear() -> None:
    """Show all runs again: a callback of a button."""
    for name, usual in DEFAULTS.items():
        st.session_state[name] = usual


def ordered(runs: list[RunState], names: dict[str, str]) -> list[RunState]:
    """In the chosen order, pinned ones first."""
    order = st.session_state.get("order", ORDERS[0])
    keys = {
        "Oldest first": lambda run: run.created,
        "Name": lambda run: names[run.id].casefold(),
        "Student's accuracy": lambda run: -run.results.get("student", {}).get("top1", -1.0),
        "Student − twin": lambda run: -run.results.get("difference", {}).get("top1", -2.0),
    }
    if order not in keys:
        return runs
    return sorted(sorted(runs, key=keys[order]), key=lambda run: not run.label.pinned)


def nothing_found(wanted: Wanted, archived: int) -> None:
    """Why the list is empty, and how to see runs again."""
    if wanted.all:
        st.info(f"All {archived:,} runs are archived.", icon=":material/inventory_2:")
        st.button("Show archived runs", on_click=lambda: st.session_state.update(archived="Shown"), key="show-archived")
        return
    of = [f"“{formatting.as_text(wanted.words.strip())}”"] if wanted.words.strip() else []
    of += [
        f"{TITLES[name].lower()} {formatting.as_text(' or '.join(values))}"
        for name, values in wanted.fields.items()
        if values
    ]
    of += [f"created from {wanted.since}"] if wanted.since else []
    of += [f"created until {wanted.until}"] if wanted.until else []
    of += ["archived"] if wanted.archived == "only" else []
    st.info(f"No run matches {', '.join(of)}.", icon=":material/search_off:")
    st.button("Clear search and filters", icon=":material/filter_list_off:", on_click=clear, key="clear-filters")
