"""Runs: the list with search, filters and groups; one run in detail, or several compared; edit, download, resume and delete."""

import streamlit as st

from kdcore.errors import clipped
from kdcore.recipe import RecipeError
from kdcore.store import ACTIVE, RunState
from kdcore.store.lists import alike
from pages.parts import engine, formatting, page_table
from pages.parts.refresh import refreshing
from pages.parts.runs import actions, compare, forks, groups, label_form, run_files, table, view
from pages.parts.runs.header import badge

TABLE_SECONDS = 3.0
MOST_NAMED = 3  # runs that do not exist


def main() -> None:
    if pair := forks.new_pair():
        table.select_next(pair)
    groups.write_address()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Runs", anchor=False, width="content")
        st.space("stretch")
        run_files.offer_import()
    read_with_progress()
    runs = engine.store().states()
    name_missing([run.id for run in runs])
    if not runs:
        st.info("No runs yet. Train a student: its curves and its result appear here.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train a student", icon=":material/school:")
        return
    refreshing(run_list, any(run.status in ACTIVE for run in runs), TABLE_SECONDS)([runs])
    by_id = {run.id: run for run in runs}
    chosen = [by_id[run_id] for run_id in dict.fromkeys(table.selected()) if run_id in by_id]
    if not chosen and groups.kind() == groups.KINDS[0]:
        st.caption("Select a run to see its curves, or several to compare them.")
    elif len(chosen) == 1:
        one(chosen[0], runs)
    elif chosen:
        compare.show(chosen, runs)


def read_with_progress() -> None:
    """Read all runs, once in a process: thousands that no process has read before take a while."""
    place = st.empty()
    for read, count in engine.store().read_all():
        place.progress(read / count, text=f"Reading the runs: {read:,} of {count:,}. Later visits need not.")
    place.empty()


def name_missing(known: list[str]) -> None:
    """Which runs of the address do not exist, as in an old link."""
    there = set(known)
    missing = [repr(clipped(run_id, 60)) for run_id in table.selected() if run_id not in there]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        st.warning(f"No run {formatting.as_text(', '.join(missing[:MOST_NAMED]))}{more}. It may have been deleted.")


def run_list(just_read: list[list[RunState]]) -> None:
    """The table, refreshed while a run is active. `just_read` has the runs at first, and nothing when it is drawn again."""
    if table.draw(just_read.pop() if just_read else engine.store().states()):
        st.rerun()


def one(run: RunState, runs: list[RunState]) -> None:
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
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
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
        label_form.edit(run, label_form.tags_of(runs))
        actions.delete([run])
    label_form.show(run)
    offer_seeds(run, runs)
    view.body(run, recipe)


def offer_seeds(run: RunState, runs: list[RunState]) -> None:
    """A button to compare the run with its recipe's other seeds, where there are any."""
    group = alike.with_seeds(run, runs)
    if len(group) > 1 and st.button(f"Compare its {len(group)} seeds", icon=":material/casino:"):
        table.select(group)


main()
