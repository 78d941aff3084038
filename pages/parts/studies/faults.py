"""Which variants of a study have faults that their runs show, such as a network at chance."""

import streamlit as st

from kdcore.store import StudyState
from kdcore.store.evidence import diagnoses
from pages.parts import engine, formatting


def show(state: StudyState) -> None:
    """A line per variant with faults, each with the seeds that have it; nothing where no run has one."""
    lines = [
        f"- **{formatting.as_text(label)}:** {'; '.join(f'{kind} ({seeds(own)})' for kind, own in found.items())}"
        for label, found in by_variant(state).items()
        if found
    ]
    if lines:
        text = "\n".join(["**Some runs have faults**, so their figures may not be those of the variant:", "", *lines])
        st.warning(
            f"{text}\n\nOpen a run below to see the figures and what to try next.", icon=":material/troubleshoot:"
        )


def by_variant(state: StudyState) -> dict[str, dict[str, list[int]]]:
    """Label -> fault -> the seeds whose run has it."""
    found: dict[str, dict[str, list[int]]] = {}
    for label, places in state.variants().items():
        own = found.setdefault(label, {})
        for place in places:
            if place.run and place.run.status == "finished":
                for kind in kinds(place.run_id, place.run.updated):
                    own.setdefault(kind, []).append(place.point.seed)
    return found


@st.cache_data(max_entries=2000, show_spinner=False)
def kinds(run_id: str, updated: float) -> tuple[str, ...]:
    """The faults of a run that ended at `updated`."""
    return tuple(diagnosis.kind for diagnosis in diagnoses(engine.store(), run_id) if not diagnosis.note)


def seeds(found: list[int]) -> str:
    return f"seed{'s' * (len(found) > 1)} {', '.join(map(str, found))}"
