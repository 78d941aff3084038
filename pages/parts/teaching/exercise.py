"""Teaching links: `hide=weights,upload` in an address hides controls; the other parameters fix the choices.

`begin` and `offer` stand before and after each page. Hidden controls keep the values of the address. Nothing is protected by
hiding it: what a visit may do is decided in `engine`.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import streamlit as st

from pages.parts import formatting
from pages.parts.roles import role
from pages.parts.stage.address import NOT_OF_A_VIEW
from pages.parts.teaching.controls import PAGES, Controls, style

HIDE = "hide"  # in the address
MOST_NAMED = 3


def controls_of(page: str) -> Controls:
    """What can be hidden on a page, by its path in the address; a run's view is Train with a run."""
    return PAGES.get("run" if page == "train" and "run" in st.query_params else page, {})


def hidden(controls: Controls) -> tuple[list[str], list[str]]:
    """The names in the address that are controls of this page, and those that are not."""
    names = list(dict.fromkeys(filter(None, (each.strip() for each in st.query_params.get(HIDE, "").split(",")))))
    return [name for name in names if name in controls], [name for name in names if name not in controls]


def begin(page: str) -> None:
    """Hide what the address says, and offer to show it again."""
    controls = controls_of(page)
    found, unknown = hidden(controls)
    if unknown:
        named = formatting.as_text(", ".join(repr(each[:40]) for each in unknown[:MOST_NAMED]))
        known = (
            f"Controls that can be hidden here: {', '.join(controls)}." if controls else "Nothing can be hidden here."
        )
        st.warning(
            f"This address hides {named}, which is no control of this page. {known}", icon=":material/visibility_off:"
        )
    if not found:
        return
    st.html(f"<style>{style(controls, found)}</style>")
    titles = ", ".join(controls[name].title for name in found)
    with st.container(horizontal=True, vertical_alignment="center", key="exercise-bar"):
        are = "control is" if len(found) == 1 else "controls are"
        st.caption(f":material/assignment: An exercise: {len(found)} {are} hidden.", width="content", help=titles)
        st.button("Show all controls", key="show-all-controls", type="tertiary", on_click=show_all)


def show_all() -> None:
    st.query_params.pop(HIDE, None)


def offer(page: str) -> None:
    """For the operator: the address of this view as an exercise, with a choice of what it hides."""
    controls = controls_of(page)
    if not controls or not role.is_operator():
        return
    with st.popover("Copy as exercise", icon=":material/assignment:", type="tertiary", key="copy-exercise"):
        st.caption("A link to this view, as it is now. What is chosen here is hidden for whoever opens it.")
        chosen = st.pills(
            "Hide", list(controls), selection_mode="multi", default=hidden(controls)[0], key=f"hide-on-{page}",
            format_func=lambda name: controls[name].title,
        )  # fmt: skip
        st.code(link(page, chosen), language=None, wrap_lines=True)


def link(page: str, hide: list[str]) -> str:
    """The address of the present view that hides these controls; relative where the app's own address is not known."""
    names = [name for name in st.query_params if name != HIDE and name not in NOT_OF_A_VIEW]
    values = [(name, value) for name in names for value in st.query_params.get_all(name)]
    query = (
        urlencode(values, quote_via=quote)
        + ("&" if values and hide else "")
        + (f"{HIDE}={','.join(hide)}" if hide else "")
    )
    base = (st.context.url or "").rstrip("/") or page
    return f"{base}?{query}" if query else base
