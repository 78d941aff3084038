"""The sections of a comparison, from what is read first to the details."""

import contextlib

import streamlit as st

from kdcore.recipe import Recipe, RecipeError
from kdcore.store import RunState
from kdcore.store.lists import naming
from pages.parts import engine
from pages.parts.components.live_chart.live_chart import live_chart, panels_to_compare
from pages.parts.components.run_maps.run_maps import run_maps
from pages.parts.runs import actions, label_form
from pages.parts.runs.compare import differences, results, sweep

MOST_CURVES = 6  # as many as there are line styles


def show(runs: list[RunState], all_runs: list[RunState]) -> None:
    """Draw the comparison of the selected runs."""
    names = naming.of(runs, naming.compared)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(runs)} runs compared", anchor=False, width="content")
        st.space("stretch")
        actions.download(runs)
        label_form.edit_several(runs, label_form.tags_of(all_runs))
        actions.delete(runs)
    results.over_seeds(runs)
    for run in runs:
        if run.damage:
            st.caption(f"The folder of {run.id} is damaged. Select only this run to see the details.")
    curves(runs, names)
    run_maps(engine.store(), [run for run in runs if len(run.probes) > 1 and run.steps], names)
    results.draw(runs, names)
    sweep.draw(runs, names)
    differences.draw(runs, names)


def curves(runs: list[RunState], names: dict[str, str]) -> None:
    """The curves of the first runs, or of those that were chosen where there are many."""
    recipes = readable(runs)
    begun = {run.id: run for run in runs if run.steps and run.id in recipes}
    if not begun:
        return
    drawn = list(begun)[:MOST_CURVES]
    if len(begun) > MOST_CURVES:
        drawn = st.multiselect(
            "Curves of", list(begun), drawn, format_func=names.__getitem__, max_selections=MOST_CURVES, key="curves-of",
            bind="query-params", placeholder="Choose runs",
            help=f"{MOST_CURVES} at once: each run has a line style of its own.",
        )  # fmt: skip
    chosen = [begun[run_id] for run_id in drawn]
    if chosen:
        panels = panels_to_compare([recipes[run.id] for run in chosen], [names[run.id] for run in chosen])
        live_chart(chosen, panels, key="compared")


def readable(runs: list[RunState]) -> dict[str, Recipe]:
    """Run id -> recipe, for the runs whose recipe can be read."""
    found = {}
    for run in runs:
        with contextlib.suppress(RecipeError):
            found[run.id] = engine.store().recipe(run.id)
    return found
