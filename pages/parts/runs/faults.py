"""Diagnoses below a run's result: what is wrong with the run as far as its numbers show it, and what to try next."""

import streamlit as st

from kdcore.store import RunState
from kdcore.store.evidence import diagnoses
from pages.parts import engine, formatting


def show(run: RunState) -> None:
    """A box for each fault, then notes on the result; nothing where there is neither."""
    found = diagnoses(engine.store(), run.id)
    for diagnosis in found:
        if not diagnosis.note:
            st.warning(
                f"{formatting.as_text(diagnosis.finding)}  \n**Next:** {formatting.as_text(diagnosis.remedy)}",
                icon=":material/troubleshoot:",
            )
    for diagnosis in found:
        if diagnosis.note:
            st.caption(formatting.as_text(diagnosis.in_words))
