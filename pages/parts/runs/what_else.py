"""What passes on besides accuracy: one line on a finished run, and the curves on perturbed validation images during training."""

import streamlit as st

from kdcore.recipe import Recipe
from kdcore.store import RunState
from kdcore.store.evidence import what_else
from pages.parts import engine, formatting, palette
from pages.parts.components.live_chart.live_chart import Line, Panel, live_chart


@st.cache_data(max_entries=64, show_spinner=False)
def line(run_id: str, updated: float) -> str:
    """What else passed on in a run that ended at `updated`; empty where nothing can be compared."""
    return what_else(engine.store(), run_id, engine.set_title)


def show_line(run: RunState) -> None:
    """The line, below the result."""
    if words := line(run.id, run.updated):
        st.markdown(formatting.message(words))


def show_curves(recipe: Recipe, run: RunState) -> None:
    """Accuracy on each perturbed set and shape bias over the run, where the recipe has such sets."""
    if panels := panels_of(recipe):
        live_chart([run], panels, key=f"perturbed-{run.id}")
        st.caption(
            f"The same {recipe.robustness.images:,} validation images after every epoch, perturbed in one way each. Where teacher and "
            "twin differ, a student's curve that moves from the twin's to the teacher's shows what passes on."
        )


def panels_of(recipe: Recipe) -> list[Panel]:
    """A panel for each perturbed set."""
    networks = [
        name for name, there in (("student", True), ("twin", recipe.twin), ("teacher", recipe.teacher)) if there
    ]
    note = f"accuracy on {recipe.robustness.images:,} validation images"
    return [
        Panel(engine.set_title(name), tuple(_line(who, f"perturbed/{name}/{who}") for who in networks), note, "%")
        for name in recipe.robustness.sets
    ]


def _line(network: str, name: str) -> Line:
    return Line(network.capitalize(), palette.COLOURS[network], name, style=int(network != "student"))
