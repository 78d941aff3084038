"""Actions on runs: pause, stop, resume, download, reuse, delete; and messages about why one ended."""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from kdcore.errors import UserError
from kdcore.events import MEMORY_FULL
from kdcore.recipe import RecipeError
from kdcore.recipe.changing import with_half_the_batch
from kdcore.store import ACTIVE, RESUMABLE, RunState, dependants, exports
from kdcore.store.evidence import warnings
from pages.parts import buttons, engine, formatting, page_table
from pages.parts.attention import networks
from pages.parts.roles import role
from pages.parts.runs import run_files


def controls(run: RunState) -> None:
    """Buttons that control the run, here or in another process; the operator's."""
    if not role.is_operator():
        return
    runner = engine.runner()
    if run.status in RESUMABLE and not run.recorded:
        command("Resume", ":material/play_arrow:", runner.resume, run, "primary")
    elif run.status in ACTIVE:
        if run.id not in runner.active():
            st.caption("Trained by another process: changes take effect within a second.", width="content")
        if run.status == "running":
            command("Pause", ":material/pause:", runner.pause, run)
        if run.status == "paused":
            command("Continue", ":material/play_arrow:", runner.unpause, run, "primary")
        stop(run)


def command(
    label: str,
    icon: str,
    act: Callable[[str], None],
    run: RunState,
    kind: Literal["primary", "secondary"] = "secondary",
) -> None:
    if buttons.pressed(label, key=f"{label}-{run.id}", icon=icon, type=kind):
        if trouble := engine.refusal(act, run.id):
            st.error(formatting.message(trouble))
        else:
            st.rerun()


def stop(run: RunState) -> None:
    """A popover that asks first. Not a dialog: this part of the page is redrawn every two seconds, which would close it."""
    with st.popover("Stop", icon=":material/stop:", key=f"confirm-stop-{run.id}"):
        st.markdown("Stop this run? It can be resumed.")
        command("Stop the run", ":material/stop:", engine.runner().stop, run, "primary")


def show_end(run: RunState) -> None:
    """Why a run ended early; the traceback, which is the operator's, in an expander."""
    if run.status in RESUMABLE:
        box = st.error if run.status == "failed" else st.warning
        box(
            f"{formatting.message(run.reason) or 'It ended before the last step.'} Resume continues from the last checkpoint."
        )
    if run.status == "failed" and run.reason.startswith(MEMORY_FULL) and role.is_operator():
        half_the_batch(run)
    if run.traceback and role.is_operator():
        with st.expander("Traceback (details for a bug report)"):
            st.code(run.traceback, language=None)


def half_the_batch(run: RunState) -> None:
    """A new run with the same recipe that needs less memory, where memory was full."""
    try:
        smaller = with_half_the_batch(engine.store().recipe(run.id))
        if smaller and st.button("Try again with half the batch", icon=":material/compress:", key=f"half-{run.id}"):
            (run_id,) = engine.runner().start(smaller)
            st.query_params["run"] = run_id
            st.rerun()
    except UserError as error:
        st.error(formatting.message(str(error)))


def show_damage(run: RunState) -> None:
    """What cannot be read in the run's folder, as reported."""
    if run.damage:
        st.error("Part of this run's folder is damaged; the rest is shown.", icon=":material/broken_image:")
        st.code(run.damage, language=None, wrap_lines=True)


def show_missing_plugins(run: RunState) -> None:
    """What the run used and this server has not loaded; all that is stored is shown all the same."""
    if text := engine.missing_plugins(run.id):
        st.warning(formatting.message(text), icon=":material/extension_off:")


def show_warnings(run: RunState) -> None:
    """Those that no box of its faults names already."""
    for text in warnings(engine.store(), run.id):
        st.warning(formatting.message(text))


def download(runs: list[RunState]) -> None:
    """Curves, results and recipes as files, made when they are requested."""
    store, ids = engine.store(), [run.id for run in runs]
    name, of = (ids[0], "") if len(ids) == 1 else (f"{len(ids)}-runs", f" of {len(ids)} runs")
    with st.popover("Download", icon=":material/download:"):
        offer(
            f"Metrics{of} (CSV)",
            lambda: exports.curves_csv(store, ids) if of else store.csv(ids[0]),
            f"{name}.csv",
            "text/csv",
        )
        parquet = "application/vnd.apache.parquet"
        offer(f"Metrics{of} (Parquet)", lambda: exports.curves_parquet(store, ids), f"{name}.parquet", parquet)
        if finished := [run.id for run in runs if run.results]:
            offer("Results (LaTeX)", lambda: exports.latex_table(store, finished), f"{name}.tex", "text/x-tex")
        for run in runs:
            of_run = f" of {formatting.as_text(run.name)}" if of else ""
            try:
                recipe = store.recipe(run.id)
            except RecipeError as error:
                st.caption(f"The recipe{of_run} cannot be read.", help=formatting.message(str(error)))
            else:
                offer(
                    f"Recipe{of_run} (YAML)",
                    recipe.to_full_yaml,
                    f"{run.id}.yaml",
                    "application/yaml",
                    ":material/description:",
                )
                if run.knobs:
                    offer_with_changes(run, f"Recipe{of_run} with its changes (YAML)")
        run_files.offer(runs, offer)


def offer_with_changes(run: RunState, label: str) -> None:
    """The recipe with what users changed during the run as schedules, to repeat it with other seeds."""
    try:
        recipe = run.recipe_with_changes(engine.store().recipe(run.id))
    except UserError as why:
        st.caption(formatting.message(str(why)))
    else:
        offer(label, recipe.to_full_yaml, f"{run.id}-with-changes.yaml", "application/yaml", ":material/tune:")


def offer(
    label: str, made: str | Callable[[], str | bytes], file: str, mime: str, icon: str = ":material/table:"
) -> None:
    if callable(made):
        made = role.of_this_visit(made)
    st.download_button(label, made, file, mime, key=f"download-{file}", icon=icon, width="stretch", on_click="ignore")


def attention(run: RunState) -> None:
    """The networks of a run that has ended on the page Attention, where it has a checkpoint."""
    if run.status not in ACTIVE and engine.store().checkpoint(run.id):
        address = networks.trio_title(run.id)
        page_table.go_button("Compare on a photo", ":material/visibility:", page_table.ATTENTION, networks=address)


def new_run(run: RunState) -> None:
    page_table.go_button("New run from this recipe", ":material/tune:", page_table.TRAIN, like=run.id)


def sweep(run: RunState) -> None:
    if not role.is_operator():
        return
    page_table.go_button("Sweep a setting", ":material/science:", page_table.STUDIES, like=run.id)


def delete(runs: list[RunState]) -> None:
    if not role.is_operator():
        return
    blocked = any(run.recorded or run.status in ACTIVE for run in runs)
    why = "Recordings and active runs cannot be deleted." if blocked else None
    if st.button("Delete", icon=":material/delete:", disabled=blocked, help=why):
        confirm_delete(runs)


def confirm_delete(runs: list[RunState]) -> None:
    what = "this run" if len(runs) == 1 else f"{len(runs)} runs"
    st.dialog(f"Delete {what}?", icon=":material/delete:")(deletion)(runs)


def deletion(runs: list[RunState]) -> None:
    for run in runs:
        st.markdown(f"**{formatting.as_text(run.name)}**  \n:gray[{run.id}]")
    if used := dependants.warning(engine.store(), [run.id for run in runs]):
        st.warning(formatting.message(used))
    st.caption("Curves, maps and weights are deleted. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="delete-for-good"):
            problems = [problem for run in runs if (problem := engine.refusal(engine.store().delete, run.id))]
            if not problems:
                st.query_params.pop("run", None)
                st.rerun()
            for problem in problems:
                st.error(formatting.message(problem))
        if st.button("Cancel"):
            st.rerun()
