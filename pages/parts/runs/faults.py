"""Diagnoses below a run's result: what is wrong with the run as far as its numbers show it, and what to try next."""

import streamlit as st

from kdcore.store import RunState
from kdcore.store.evidence import diagnoses
from pages.parts import engine, formatting


def show(run: RunState) -> None:
    """A box for the faults with the same remedy, then notes on the result; nothing where there is neither."""
    found = diagnoses(engine.store(), run.id)
    faults: dict[str, list[str]] = {}  # remedy -> findings
    for diagnosis in found:
        if not diagnosis.note:
            faults.setdefault(diagnosis.remedy, []).append(diagnosis.finding)
    for remedy, findings in faults.items():
        words = "  \n".join(map(formatting.as_text, findings))
        st.warning(f"{words}  \n**Next:** {formatting.as_text(remedy)}", icon=":material/troubleshoot:")
    for diagnosis in found:
        if diagnosis.note:
            st.caption(formatting.as_text(diagnosis.in_words))
