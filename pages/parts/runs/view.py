"""One run on one screen: accuracy and heatmaps at the same moment, the knobs or the result below, and all else one click away."""

import streamlit as st

from kdcore.recipe import Recipe, RecipeError
from kdcore.results.comparison import summarise
from kdcore.store import ACTIVE, RunState
from pages.parts import engine, formatting, page_table
from pages.parts.refresh import refreshing
from pages.parts.runs import actions, adjustments, details, faults, forks, header, moments
from pages.parts.runs.result import outcome

HEADER_SECONDS = 2.0  # the curves and maps refresh themselves once a second, without rerunning the page


def show(run_id: str) -> None:
    """Draw a run; its parts are refreshed while it is active."""
    forks.follow_a_new_fork()
    store = engine.store()
    run = store.state(run_id)
    try:
        recipe = store.recipe(run_id)
    except RecipeError as error:  # of another version, edited by hand, or damaged
        st.title(formatting.as_text(run.name), anchor=False)
        st.error(formatting.message(str(error)))
        link_to_runs(run_id)
        return
    if run.status == "damaged":
        st.title(formatting.as_text(run.name), anchor=False)
        actions.show_damage(run)
        link_to_runs(run_id)
        return
    refreshing(header.draw, run.status in ACTIVE, HEADER_SECONDS)(run_id, recipe)
    body(run, recipe)


def link_to_runs(run_id: str) -> None:
    page_table.go_button("Open in the run list", ":material/list:", page_table.RUNS, run=run_id)


def body(run: RunState, recipe: Recipe) -> None:
    """All of a run but its head."""
    actions.show_damage(run)
    actions.show_end(run)
    actions.show_missing_plugins(run)
    moments.show(engine.store(), run, stage=True)
    if run.results:
        outcome(summarise([run.outcome]))
        faults.show(run)
    elif run.status in ACTIVE:
        adjustments.show(run, recipe)
    actions.show_warnings(run)
    details.show(run, recipe)
