"""Groups of runs: of one study, of one recipe with several seeds, or of one name. A group is opened by choosing its row."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import fmean
from typing import Any

import streamlit as st

from kdcore.store import RunState
from kdcore.store.lists import alike
from pages.parts import address, formatting

KINDS = ("Nothing", "Study", "Recipe", "Name")  # a recipe: its seeds
NEXT = "address-next"
OPENED = "in"  # the query parameter with the group whose runs are listed


@dataclass(frozen=True)
class Group:
    key: str
    name: str
    runs: tuple[RunState, ...]


def kind() -> str:
    return str(st.session_state.get("group", KINDS[0]))


def at_next(**values: str | list[str]) -> None:
    """Write into the address when the page runs next. A rerun may drop messages that have not been sent."""
    st.session_state[NEXT] = st.session_state.get(NEXT, {}) | values


def write_address() -> None:
    """Write what `at_next` was given: at the beginning of the page."""
    if values := st.session_state.pop(NEXT, None):
        address.put(values)


def leave() -> None:
    """List the groups again."""
    at_next(**{OPENED: ""})


def of(runs: Sequence[RunState], names: dict[str, str]) -> list[Group]:
    """The groups of the chosen kind, in the order of their first runs."""
    found: dict[str, list[RunState]] = {}
    for run in runs:
        found.setdefault(_whose(run), []).append(run)
    return [Group(_key(whose), _name(whose, members, names), tuple(members)) for whose, members in found.items()]


def opened_key() -> str | None:
    """The key of the group in the address, where runs are grouped."""
    return st.query_params.get(OPENED) if kind() != KINDS[0] else None


def opened(found: Sequence[Group]) -> Group | None:
    """The group in the address."""
    wanted = st.query_params.get(OPENED, "")
    return next((group for group in found if group.key == wanted), None)


def _whose(run: RunState) -> str:
    name = run.original_name or run.name
    match kind():
        case "Study":
            return name.partition(": ")[0] if ": " in name else ""
        case "Recipe":
            return alike.but_seed(run) or run.id
    return run.name


def _key(whose: str) -> str:
    """Short enough for an address."""
    return sha256(whose.encode()).hexdigest()[:12]


def _name(whose: str, runs: Sequence[RunState], names: dict[str, str]) -> str:
    match kind():
        case "Study":
            return whose or "Runs of no study"
        case "Recipe":
            return without_seed(runs[0]) if len(runs) > 1 else names[runs[0].id]
    return whose


def without_seed(run: RunState) -> str:
    """`sweep: lr 0.01` for `sweep: lr 0.01, seed 0`."""
    start, _, end = run.name.rpartition(", seed ")
    return start if start and end.isdecimal() else run.name


def draw(found: Sequence[Group], key: str) -> None:
    """A row for each group, with plain means: what may be claimed from several seeds is shown when they are selected."""
    rows = [row(group) for group in found]
    chosen = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", key=key, alt="Groups of runs",
        column_config={name: st.column_config.NumberColumn(format="%.1f %%", width="small", help="Mean of the finished runs.")
                       for name in ("Student", "Twin", "Teacher")} | {"Group": st.column_config.TextColumn(width="large")},
    )["selection"]["rows"]  # fmt: skip
    st.caption("Select a group to list its runs.")
    if chosen and chosen[0] < len(found):
        at_next(**{OPENED: found[chosen[0]].key})
        st.session_state["runs-chosen"] = st.session_state.get("runs-chosen", 0) + 1
        st.rerun()


def row(group: Group) -> dict[str, Any]:
    finished = [run.results for run in group.runs if run.results]
    means = {
        name: [100 * results[name]["top1"] for results in finished if name in results]
        for name in ("student", "twin", "teacher")
    }
    return {
        "Group": group.name,
        "Runs": len(group.runs),
        "Finished": len(finished),
        **{name.capitalize(): fmean(values) if values else None for name, values in means.items()},
        "Newest": formatting.when(max(run.created for run in group.runs)),
    }
