"""Diagnoses below a run's result: what is wrong with the run as far as its numbers show it, and what to try next."""

import streamlit as st

from kdcore.store import RunState, evidence
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


def show_seeds(runs: dict[int, RunState]) -> None:
    """A box that names the faults of runs that differ in their seed alone (seed -> run), each with its seeds."""
    if found := evidence.by_seed(runs.items(), lambda run: kinds(run.id, run.updated)):
        words = f"**Some of these runs have faults:** {evidence.in_words(found)}."
        st.warning(f"{words} Select one run to see its figures and what to try next.", icon=":material/troubleshoot:")


@st.cache_data(max_entries=2000, show_spinner=False)
def kinds(run_id: str, updated: float) -> tuple[str, ...]:
    """The faults of a run that ended at `updated`, without their figures."""
    return evidence.faults(engine.store(), run_id)
