"""One run: progress, result, curves, loss terms and the maps of its pinned images."""

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import Recipe, RecipeError
from kdcore.results.comparison import Summary, covers, sentence, summarise
from kdcore.store import ACTIVE, RunState
from pages.parts import engine, formatting, page_table, palette
from pages.parts.components.live_chart.live_chart import live_chart, panels_of
from pages.parts.refresh import refreshing
from pages.parts.runs import (
    actions,
    adjustments,
    changes,
    environment,
    faults,
    forks,
    passed_on,
    probe_maps,
    terms,
    what_else,
)

HEADER_SECONDS = 2.0  # the curves refresh themselves once a second, without rerunning the page
MAPS_SECONDS = 3.0
PINNED = 4
TITLES = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}  # of two classes


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
    active = run.status in ACTIVE
    st.title(formatting.as_text(run.name), anchor=False)
    if words := formatting.setting(recipe, run):
        st.caption(words)
    actions.show_damage(run)
    refreshing(header, active, HEADER_SECONDS)(run_id, recipe)
    forks.family(run)
    actions.show_warnings(run)
    if run.results:
        outcome(summarise([run.outcome]))
        faults.show(run)
        changes.show(run)
        passed_on.show(run)
    if run.steps:
        live_chart([run], panels_of(recipe, run), key=f"curves-{run_id}")
        what_else.show_curves(recipe, run)
    with st.container(key="run-terms"):
        refreshing(terms.show, active, terms.SECONDS)(run_id)
    with st.container(key="pinned-maps"):
        refreshing(pinned_maps, active, MAPS_SECONDS)(run_id)
    adjustments.show(run)
    details(run, recipe)


def link_to_runs(run_id: str) -> None:
    page_table.go_button("Open in the run list", ":material/list:", page_table.RUNS, run=run_id)


def header(run_id: str, recipe: Recipe) -> None:
    """Status, progress and buttons. When the run begins or ends, the whole page is redrawn."""
    run = engine.store().state(run_id)
    if changed(run_id, run.status, bool(run.steps)):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        badge(run)
        if run.device:
            st.badge(formatting.in_badge(run.device), color="gray", icon=":material/memory:")
        if run.recorded:
            st.badge("Recording included with the project", color="gray")
        st.space("stretch")
        with st.container(horizontal=True, width="content", key="run-buttons"):
            actions.controls(run)
            forks.offer(run, recipe)
            actions.new_run(run)
            actions.attention(run)
            if run.status not in ACTIVE:
                actions.download([run])
    match run.status:
        case "running" | "paused":
            st.progress(min(run.progress, 1.0), text=formatting.as_text(formatting.progress(run)))
        case "queued":
            st.info("Queued: starts when the current run ends.", icon=":material/hourglass_empty:")
        case "created" | "preparing":
            st.progress(0.0, text=formatting.message(run.notes[-1]["text"]) if run.notes else "Preparing.")
        case "failed" | "stopped" | "interrupted":
            st.caption(formatting.as_text(formatting.progress(run)))
            actions.show_end(run)


def changed(run_id: str, status: str, stepped: bool) -> bool:
    """Whether the run has begun or ended since the page was drawn."""
    key, now = f"drawn-{run_id}", (status in ACTIVE, stepped)
    before = st.session_state.get(key, now)
    st.session_state[key] = now
    return before != now


def badge(run: RunState) -> None:
    label, colour, icon = formatting.STATUS[run.status]
    st.badge(label, color=colour, icon=icon)


def outcome(summary: Summary, key: str = "outcome") -> None:
    """The result on the test split: whether the teacher helped, and each network's accuracy."""
    with st.container(border=True):
        st.subheader(sentence(summary), anchor=False)
        there = [name for name in palette.NETWORKS if name in summary.networks]
        with st.grid(columns=len(there), min_column_width=90, wrap=False, width=150 * len(there), key=key):
            for name in there:
                top1 = summary.networks[name]["top1"]
                st.metric(
                    palette.in_colour(name, name.capitalize()), formatting.percent(top1.mean),
                    delta=formatting.interval(top1) or None, delta_color="off", delta_arrow="off",
                )  # fmt: skip
        for name in there:
            if two := [
                f"{TITLES[m]} {summary.networks[name][m].mean:.3f}" for m in TITLES if m in summary.networks[name]
            ]:
                st.caption(f"{palette.in_colour(name, name.capitalize())}: {', '.join(two)}")
        more = " More test images or seeds would show smaller differences." if summary.kind == "open" else ""
        st.caption(f"Accuracy on {summary.images:,} test images. {covers(summary)}{more}")


def pinned_maps(run_id: str) -> None:
    """The pinned images with each network's map at the newest probe; of an ended run, at any probe."""
    run = engine.store().state(run_id)
    if not run.probes:
        return
    place = len(run.probes) - 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Where the networks look", anchor=False, width="content")
        if run.status in ACTIVE:
            st.caption(
                f"after epoch {run.probes[place]['epoch']:.1f}, on the same test images throughout", width="content"
            )
        elif place:
            st.space("stretch")
            epochs = [round(probe["epoch"], 2) for probe in run.probes]
            chosen = st.select_slider("Epoch", epochs, value=epochs[-1], key=f"probe-{run_id}", width=320)
            place = epochs.index(chosen)
    try:
        networks, table = drawn_maps(run.id, place, run.probes[place]["file"])
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/broken_image:")
        return
    for side, column in enumerate(st.columns(2, gap="large")):
        if part := table[side::2]:
            with column:
                map_table(networks, part, key=f"maps-{side}")


def map_table(networks: list[str], table: list[list[probe_maps.Cell]], *, key: str) -> None:
    with st.grid(columns=1 + len(networks), min_column_width=60, wrap=False, gap="small", key=key):
        st.markdown("**Image**")
        for name in networks:
            st.markdown(f"**{palette.in_colour(name, name.capitalize())}**")
        for cells in table:
            for name, cell in zip(("image", *networks), cells, strict=True):
                with st.container(gap="xxsmall"):
                    if cell.jpeg:
                        st.image(cell.jpeg, width="stretch", alt=f"{name}: {cell.caption}")
                    mark = {True: ":green[:material/check:] ", False: ":red[:material/close:] ", None: ""}[cell.right]
                    st.caption(mark + formatting.as_text(cell.caption))


@st.cache_data(max_entries=256, show_spinner=False)
def drawn_maps(run_id: str, place: int, file: str) -> tuple[list[str], list[list[probe_maps.Cell]]]:
    store = engine.store()
    return probe_maps.rows(store, store.state(run_id), place, PINNED)


def details(run: RunState, recipe: Recipe) -> None:
    with st.expander("Recipe, parameters and log", icon=":material/description:", key="run-details"):
        sizes = " · ".join(f"{name.replace('_', ' ')} {formatting.count(n)}" for name, n in run.parameters.items())
        if sizes:
            st.caption(f"Parameters: {sizes}")
        for note in run.notes:
            st.markdown(
                f"{'⚠ ' if note['level'] == 'warning' else ''}{formatting.when(note['time'])} · {formatting.message(note['text'])}"
            )
        environment.show(run)
        st.code(recipe.to_full_yaml(), language="yaml")
