"""What can be done with runs: pause, stop, resume, take away, start from, delete; and why one ended."""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from kdcore.recipe import RecipeError
from kdcore.store import ACTIVE, RESUMABLE, RunState
from pages.parts import engine, page_table


def controls(run: RunState) -> None:
    """Buttons that steer the run, as far as that is possible from here."""
    runner, mine = engine.runner(), run.id in engine.runner().active()
    if run.status in RESUMABLE and not run.recorded:
        command("Resume", ":material/play_arrow:", runner.resume, run, "primary")
    elif run.status in ACTIVE and not mine:
        st.caption("Another program trains it, for example in a terminal: pause or stop it there.", width="content")
    elif run.status in ACTIVE:
        if run.status == "running":
            command("Pause", ":material/pause:", runner.pause, run)
        if run.status == "paused":
            command("Go on", ":material/play_arrow:", runner.unpause, run, "primary")
        command("Stop", ":material/stop:", runner.stop, run)


def command(
    label: str,
    icon: str,
    act: Callable[[str], None],
    run: RunState,
    kind: Literal["primary", "secondary"] = "secondary",
) -> None:
    if st.button(label, icon=icon, type=kind, key=f"{label}-{run.id}"):
        if trouble := engine.obeys(act, run.id):
            st.error(trouble)
        else:
            st.rerun()


def say_why_it_ended(run: RunState) -> None:
    """The reason in words; the traceback only for whoever asks."""
    if run.status in RESUMABLE:
        say = st.error if run.status == "failed" else st.warning
        say(f"{run.reason or 'It ended before its last step.'} Resume continues from the last checkpoint.")
    if run.traceback:
        with st.expander("Traceback, for whoever mends it"):
            st.code(run.traceback, language=None)


def say_damage(run: RunState) -> None:
    """What of the run's folder cannot be read, word for word as it came."""
    if run.damage:
        st.error("A part of this run's folder is damaged; everything else is shown.", icon=":material/broken_image:")
        st.code(run.damage, language=None, wrap_lines=True)


def say_warnings(run: RunState) -> None:
    """What went wrong on its way without ending it, each once: a checkpoint that was damaged, a teacher that guesses."""
    for text in dict.fromkeys(note["text"] for note in run.notes if note["level"] == "warning"):
        st.warning(text)


def take_away(runs: list[RunState]) -> None:
    """Numbers and recipes as files."""
    store = engine.store()
    with st.popover("Take away", icon=":material/download:"):
        for run in runs:
            of = f" of {run.name}" if len(runs) > 1 else ""
            st.download_button(
                f"Numbers{of}, CSV", lambda run_id=run.id: store.csv(run_id), f"{run.id}.csv", "text/csv",
                key=f"csv-{run.id}", icon=":material/table:", width="stretch", on_click="ignore",
            )  # fmt: skip
            try:
                recipe = store.recipe(run.id).to_yaml()
            except RecipeError as error:
                st.caption(f"No recipe{of}.", help=str(error))
                continue
            st.download_button(
                f"Recipe{of}, YAML", recipe, f"{run.id}.yaml", "application/yaml",
                key=f"yaml-{run.id}", icon=":material/description:", width="stretch", on_click="ignore",
            )  # fmt: skip


def set_up_alike(run: RunState) -> None:
    page_table.go_button("New run like it", ":material/tune:", page_table.TRAIN, like=run.id)


def sweep(run: RunState) -> None:
    page_table.go_button("Vary a setting of it", ":material/science:", page_table.STUDIES, like=run.id)


def delete(runs: list[RunState]) -> None:
    held = any(run.recorded or run.status in ACTIVE for run in runs)
    why = "Recordings, and runs that are not over, cannot be deleted." if held else None
    if st.button("Delete", icon=":material/delete:", disabled=held, help=why):
        confirm_delete(runs)


@st.dialog("Delete for good?", icon=":material/delete:")
def confirm_delete(runs: list[RunState]) -> None:
    for run in runs:
        st.markdown(f"**{run.name}**  \n:gray[{run.id}]")
    st.caption("Curves, maps and weights go with it. There is no way back.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="delete-for-good"):
            trouble = [said for run in runs if (said := engine.obeys(engine.store().delete, run.id))]
            if not trouble:
                st.query_params.pop("run", None)
                st.rerun()
            for said in trouble:
                st.error(said)
        if st.button("Keep"):
            st.rerun()
