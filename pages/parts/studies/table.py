"""The list of studies."""

import streamlit as st

from kdcore.store import ACTIVE, StudyState
from pages.parts import engine, formatting
from pages.parts.refresh import refreshing
from pages.parts.roles import role

SECONDS = 3.0
NEWEST = 4  # shown without a click


def show() -> None:
    states = engine.studies().states()
    refreshing(draw, any(state.status in ACTIVE for state in states), SECONDS)()


def draw() -> None:
    states = engine.studies().states()
    for study_id, why in engine.studies().damaged().items():
        damaged(study_id, why)
    for state in states[:NEWEST]:
        line(state)
    if len(states) > NEWEST:
        with st.expander(f"{len(states) - NEWEST} older", icon=":material/history:"):
            for state in states[NEWEST:]:
                line(state)


def damaged(study_id: str, why: str) -> None:
    """A study that cannot be read: the reason, and a button to delete it."""
    with st.container(border=True):
        st.text(f"{study_id}: {why}")
        if role.is_operator() and st.button(
            "Delete this damaged study", icon=":material/delete:", key=f"delete-{study_id}"
        ):
            if trouble := engine.refusal(engine.studies().delete, study_id):
                st.error(formatting.message(trouble))
            else:
                st.rerun()


def line(state: StudyState) -> None:
    label, colour, icon = formatting.STATUS[state.status]
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.badge(label, color=colour, icon=icon)
        st.markdown(f"**{formatting.as_text(state.name)}**", width="content")
        st.caption(
            f"{state.done} of {state.total} runs · {len(state.variants())} variants · {formatting.when(state.created)}",
            width="content",
        )
        st.space("stretch")
        if st.button("Open", icon=":material/monitoring:", key=f"look-{state.id}"):
            st.query_params.from_dict({"study": state.id})
            st.rerun()
