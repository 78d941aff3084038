"""Which variants of a study have faults that their runs show, such as a network at chance."""

import streamlit as st

from kdcore.store import StudyState, evidence
from pages.parts import formatting
from pages.parts.runs.faults import kinds


def show(state: StudyState) -> None:
    """A line per variant with faults, each with the seeds that have it; nothing where no run has one."""
    found = evidence.by_variant(state, lambda run: kinds(run.id, run.updated))
    if found:
        lines = [f"- **{formatting.as_text(label)}:** {evidence.in_words(own)}" for label, own in found.items()]
        text = "\n".join(["**Some runs have faults**, so their figures may not be those of the variant:", "", *lines])
        st.warning(
            f"{text}\n\nOpen a run below to see the figures and what to try next.", icon=":material/troubleshoot:"
        )
