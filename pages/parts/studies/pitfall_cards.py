"""Common pitfalls as runs to try: the mistake, the expected result, and whether the run shows it."""

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import library
from kdcore.results import pitfalls
from kdcore.results.pitfalls import Failure
from kdcore.store import ACTIVE, RunState
from pages.parts import buttons, engine, formatting, page_table
from pages.parts.refresh import refreshing
from pages.parts.roles import role

SECONDS = 3.0


def show() -> None:
    if role.is_operator():
        st.caption(
            "The same small run with one mistake each. About half a minute each on two idle CPU cores; further runs are "
            "queued."
        )
    else:
        st.caption("The same small run with one mistake each. Only the operator can start them.")
    refreshing(cards, any(run.status in ACTIVE for run in newest().values()), SECONDS)()


def newest() -> dict[str, RunState]:
    """The newest run of each failure's recipe."""
    names = {library.recipe(failure.recipe).name: failure.recipe for failure in pitfalls.FAILURES}
    found: dict[str, RunState] = {}
    for run in engine.store().states():
        if run.name in names:
            found.setdefault(names[run.name], run)
    return found


def cards() -> None:
    runs = newest()
    active = any(run.status in ACTIVE for run in runs.values())
    if st.session_state.get("failures-active", active) != active:
        st.session_state["failures-active"] = active
        st.rerun()
    st.session_state["failures-active"] = active
    for place in range(0, len(pitfalls.FAILURES), 2):
        for column, failure in zip(st.columns(2), pitfalls.FAILURES[place : place + 2], strict=False):
            with column.container(border=True, height="stretch"):
                card(failure, runs.get(failure.recipe))


def card(failure: Failure, run: RunState | None) -> None:
    st.markdown(f"**{failure.title}**")
    st.markdown(failure.wrong)
    st.markdown(f":gray[Expected:] {failure.expects}")
    if run:
        show_outcome(failure, run)
    st.space("stretch")  # the buttons of neighbouring cards are on one line
    with st.container(horizontal=True):
        if role.is_operator() and (run is None or run.status not in ACTIVE):
            label = "Run" if run is None else "Run again"
            if buttons.pressed(label, key=failure.recipe, icon=":material/play_arrow:"):
                start(failure)
        if run and st.button("Open run", icon=":material/monitoring:", key=f"look-{failure.recipe}"):
            st.switch_page(page_table.TRAIN, query_params={"run": run.id})


def show_outcome(failure: Failure, run: RunState) -> None:
    """The expectation against the results, or the run's progress."""
    if run.status != "finished":
        label, colour, icon = formatting.STATUS[run.status]
        st.badge(label, color=colour, icon=icon)
        words = formatting.progress(run) if run.status in ACTIVE else run.reason or "It ended before the last step."
        st.caption(formatting.message(words))
        return
    if failure.happened(run.results):
        st.success("As expected.", icon=":material/check:")
    else:
        st.warning("Not as expected this time.", icon=":material/close:")
    for claim in failure.claims(run.results):
        st.markdown(f"{':green[:material/check:]' if claim.holds else ':red[:material/close:]'} {claim.words}")
    st.caption(f"How to fix it: {failure.remedy}")


def start(failure: Failure) -> None:
    try:
        engine.runner().start(library.recipe(failure.recipe))
    except UserError as error:
        st.error(formatting.message(str(error)))
    else:
        st.rerun()
