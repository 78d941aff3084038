"""The head of a run's page in one row: name, status, time left and buttons; and why a run ended early."""

from pathlib import Path

import streamlit as st

from kdcore.recipe import Recipe
from kdcore.store import ACTIVE, RunState
from pages.parts import engine, formatting
from pages.parts.roles import role
from pages.parts.runs import actions, forks
from pages.parts.runs.adjustments import ADJUSTABLE

STYLE = Path(__file__).with_name("run.css").read_text(encoding="utf-8")


def draw(run_id: str, recipe: Recipe) -> None:
    """Refreshes itself. When the run begins or ends, the whole page is redrawn."""
    run = engine.store().state(run_id)
    if changed(run):
        st.rerun()
    st.html(f"<style>{STYLE}</style>")
    with st.container(horizontal=True, vertical_alignment="center", key="run-head"):
        st.title(
            formatting.as_text(run.name), anchor=False, width="content", help=formatting.setting(recipe, run) or None
        )
        badge(run)
        if run.recorded:
            st.badge("Recording included with the project", color="gray")
        if words := progress(run):
            st.caption(formatting.as_text(words), width="content")
        st.space("stretch")
        with st.container(horizontal=True, width="content", vertical_alignment="center", key="run-buttons"):
            actions.controls(run)
            forks.offer(run, recipe)
            actions.attention(run)
            if run.status not in ACTIVE or not role.is_operator():
                actions.new_run(run)
            if run.status not in ACTIVE:
                actions.download([run])


def progress(run: RunState) -> str:
    """Where an active run is, and how long it will take; of one that ended early, where it ended."""
    if run.status == "finished" or not run.steps:
        return ""
    words = f"epoch {min(run.epoch, run.epochs):.1f} of {run.epochs}"
    if run.status == "running" and (left := run.remaining_seconds) is not None:
        return f"{words} · {formatting.duration(left)} left"
    return words


def changed(run: RunState) -> bool:
    """Whether the run has begun, become adjustable or ended since the page was drawn."""
    key, now = f"drawn-{run.id}", (run.status in ACTIVE, run.status in ADJUSTABLE, bool(run.steps))
    before = st.session_state.get(key, now)
    st.session_state[key] = now
    return bool(before != now)


def badge(run: RunState) -> None:
    label, colour, icon = formatting.STATUS[run.status]
    st.badge(label, color=colour, icon=icon)
