"""Runs: the list with results; one run in detail, or several compared; download, resume and delete."""

import contextlib
import re

import streamlit as st

from kdcore.errors import clipped
from kdcore.recipe import Recipe, RecipeError
from kdcore.results.comparison import summarise, summarise_all
from kdcore.store import ACTIVE, RunState
from pages.parts import engine, formatting, page_table
from pages.parts.components.live_chart.live_chart import live_chart, panels_of, panels_to_compare
from pages.parts.refresh import refreshing
from pages.parts.runs import actions, changes, faults, forks, passed_on, table
from pages.parts.runs.view import badge, outcome

TABLE_SECONDS = 3.0
MOST_NAMED = 3  # runs that do not exist


def main() -> None:
    if pair := forks.new_pair():
        table.select(pair)
    st.title("Runs", anchor=False)
    runs = engine.store().states()
    name_missing([run.id for run in runs])
    if not runs:
        st.info("No runs yet. Train a student: its curves and its result appear here.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train a student", icon=":material/school:")
        return
    refreshing(run_list, any(run.status in ACTIVE for run in runs), TABLE_SECONDS)()
    chosen = [run for run in runs if run.id in table.selected()]
    if not chosen:
        st.caption("Select a run to see its curves, or several to compare them.")
    elif len(chosen) == 1:
        one(chosen[0])
    else:
        several(chosen)


def name_missing(known: list[str]) -> None:
    """Which runs of the address do not exist, as in an old link."""
    missing = [repr(clipped(run_id, 60)) for run_id in table.selected() if run_id not in known]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        st.warning(f"No run {formatting.as_text(', '.join(missing[:MOST_NAMED]))}{more}. It may have been deleted.")


def run_list() -> None:
    """The table, refreshed while a run is active."""
    if table.draw(engine.store().states()):
        st.rerun()


def one(run: RunState) -> None:
    try:
        recipe = engine.store().recipe(run.id)
    except RecipeError as error:  # of another version, edited by hand, or damaged
        st.error(formatting.message(str(error)))
        actions.delete([run])
        return
    if run.status == "damaged":
        st.subheader(formatting.as_text(run.name), anchor=False)
        actions.show_damage(run)
        actions.delete([run])
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(formatting.as_text(run.name), anchor=False, width="content")
        badge(run)
        st.space("stretch")
        label = "Watch live" if run.status in ACTIVE else "Open run"
        page_table.go_button(label, ":material/monitoring:", page_table.TRAIN, run=run.id)
        actions.attention(run)
        actions.new_run(run)
        actions.sweep(run)
        forks.offer(run, recipe)
        actions.controls(run)
        actions.download([run])
        actions.delete([run])
    actions.show_damage(run)
    actions.show_end(run)
    forks.family(run)
    if run.results:
        outcome(summarise([run.outcome]))
        offer_seeds(run)
        faults.show(run)
        changes.show(run)
        passed_on.show(run)
    if run.steps:
        live_chart([run], panels_of(recipe, run), key=f"curves-{run.id}")
    actions.show_warnings(run)
    with st.expander("Recipe", icon=":material/description:"):
        st.code(recipe.to_yaml(), language="yaml")


def offer_seeds(run: RunState) -> None:
    """A button to compare the run with its recipe's other seeds, where there are any."""
    store = engine.store()
    group = next((group for group in store.by_recipe([run.id, *store.ids()]) if run.id in group), [])
    if len(group) > 1 and st.button(f"Compare its {len(group)} seeds", icon=":material/casino:"):
        table.select(group)


def over_seeds(runs: list[RunState]) -> None:
    """A summary for each group of the selected runs that differ only in their seed, corrected for the number of groups."""
    store, by_id = engine.store(), {run.id: run for run in runs}
    groups = [group for group in store.by_recipe(list(by_id)) if len(group) > 1]
    summaries = summarise_all([[store.outcome(run_id) for run_id in group] for group in groups], list(map(len, groups)))
    for group, summary in zip(groups, summaries, strict=True):
        seeds = {store.recipe(run_id).seeds[0]: by_id[run_id] for run_id in group}
        name = re.sub(r",? seed \d+$", "", by_id[group[0]].name)
        st.markdown(f"**{formatting.as_text(name)}**: one recipe, seeds {', '.join(map(str, seeds))}")
        outcome(summary, key=f"outcome-{group[0]}")
        faults.show_seeds(seeds)


def several(runs: list[RunState]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(runs)} runs compared", anchor=False, width="content")
        st.space("stretch")
        actions.download(runs)
        actions.delete(runs)
    over_seeds(runs)
    for run in runs:
        if run.damage:
            st.caption(f"The folder of {run.id} is damaged. Select only this run to see the details.")
    recipes = readable(runs)
    begun = [run for run in runs if run.steps and run.id in recipes]
    live_chart(begun, panels_to_compare(begun, [recipes[run.id] for run in begun]), key="compared")


def readable(runs: list[RunState]) -> dict[str, Recipe]:
    """Run id -> recipe, for the runs whose recipe can be read."""
    found = {}
    for run in runs:
        with contextlib.suppress(RecipeError):
            found[run.id] = engine.store().recipe(run.id)
    return found


main()
