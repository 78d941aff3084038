"""Forks of a run: start one with other settings from a moment of the run, and the family that it belongs to."""

from typing import Any

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.recipe.study import called
from kdcore.store import ACTIVE, RunState, forking
from pages.parts import engine, formatting, page_table
from pages.parts.roles import role

MORE_EPOCHS = 5  # that a run which has ended goes on for, unless the operator chooses otherwise
LONGEST_NAME = 80
NOW = -1  # among the steps that a fork may begin at; None would be drawn as if nothing were chosen


def offer(run: RunState, recipe: Recipe) -> None:
    """A popover that starts a fork; the operator's, where there is a state to start from."""
    if not role.is_operator() or run.recorded or not run.steps:
        return
    moments = starts(run)
    if not moments:
        return
    with st.popover("Fork", icon=":material/fork_right:", key=f"fork-{run.id}", help="What if, from here on?"):
        st.markdown("A fork goes on from the exact state of this run, with other settings. This run stays as it is.")
        step = st.selectbox("From", list(moments), format_func=moments.get, key=f"fork-from-{run.id}")
        with st.grid(columns="auto", min_column_width=130, key=f"fork-settings-{run.id}"):
            changes = form(run, recipe)
        st.button(
            "Start the fork", icon=":material/fork_right:", type="primary", key=f"fork-start-{run.id}", on_click=start,
            args=(run, None if step == NOW else step, {"name": name_of(run, recipe, changes), **changes}),
        )  # fmt: skip
        if "forked" in st.session_state:
            st.rerun()  # the whole page, which shows both
        if refused := st.session_state.pop(f"fork-refused-{run.id}", ""):
            st.error(formatting.message(refused))


def starts(run: RunState) -> dict[int, str]:
    """Where a fork may begin: step of a checkpoint, or NOW -> in words. Only what is still on disk."""
    there = {int(path.stem) for path in engine.store().checkpoints(run.id) if path.stem.isdecimal()}
    found = {saved["step"]: saved["epoch"] for saved in run.checkpoints if saved["step"] in there}
    now = run.id in engine.runner().active() and run.status in ("running", "paused")
    words = {NOW: "now"} if now else {}
    for step, epoch in sorted(found.items(), reverse=True):
        words[step] = "the end" if step == run.steps else f"epoch {round(epoch, 2):g} (step {step:,})"
    return words


def form(run: RunState, recipe: Recipe) -> dict[str, Any]:
    """The settings that a fork may change, and which of them differ from the run's: dotted setting -> value."""
    values: dict[str, Any] = {}
    for place, term in enumerate(recipe.terms):
        if isinstance(term.weight, (int, float)):
            values[f"terms.{place}.weight"] = st.number_input(
                f"Weight of {formatting.as_text(term.label)}", 0.0, None, float(term.weight), step=0.1, format="%.4g",
                key=f"fork-weight-{place}-{run.id}",
            )  # fmt: skip
    values["optimizer.lr"] = st.number_input(
        "Learning rate", 1e-6, None, recipe.optimizer.lr, step=recipe.optimizer.lr / 4, format="%.4g",
        key=f"fork-lr-{run.id}", help="The rate that the schedule scales.",
    )  # fmt: skip
    ended = run.status not in ACTIVE and run.step >= run.steps
    values["epochs"] = st.number_input(
        "Epochs", 1, None, recipe.epochs + (MORE_EPOCHS if ended else 0), key=f"fork-epochs-{run.id}",
        help="In all. Schedules are those of a run of this length.",
    )  # fmt: skip
    before = {"optimizer.lr": recipe.optimizer.lr, "epochs": recipe.epochs}
    before |= {f"terms.{place}.weight": term.weight for place, term in enumerate(recipe.terms)}
    return {key: value for key, value in values.items() if value != before[key]}


def name_of(run: RunState, recipe: Recipe, changes: dict[str, Any]) -> str:
    """`quick, kd weight 0.2`: the run's name and what the fork changes."""
    changed = [f"{called(key, recipe)} {value:g}" for key, value in changes.items()]
    return f"{run.name}, {', '.join(changed) or 'fork'}"[:LONGEST_NAME]


def start(run: RunState, step: int | None, changes: dict[str, Any]) -> None:
    """Start the fork and select it beside its parent."""
    try:
        child = engine.runner().fork(run.id, changes, step=step)
    except UserError as error:
        st.session_state[f"fork-refused-{run.id}"] = str(error)
        return
    st.session_state["forked"] = [run.id, child]


def new_pair() -> list[str]:
    """A run and its fork that was just started here; nothing where there is none. To be asked once for each run of a page."""
    found: list[str] = st.session_state.pop("forked", [])
    return found


def follow_a_new_fork() -> None:
    """Show a fork that was just started beside its parent, on one chart."""
    if ids := new_pair():
        st.switch_page(page_table.RUNS, query_params={"run": ids})


def family(run: RunState) -> None:
    """The runs that were forked from each other, as a tree, where there is more than one."""
    tree = forking.tree(engine.store().states(), run.id)
    if len(tree) < 2:
        return
    for depth, member in tree:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            mark = "\u2003" * depth + ("↳ " if depth else "")
            label = f"{mark}{formatting.as_text(member.name)}"
            if member.id == run.id:
                st.markdown(f"{mark}**{formatting.as_text(member.name)}**", width="content")
            elif st.button(label, key=f"family-{run.id}-{member.id}", type="tertiary"):
                st.switch_page(page_table.RUNS, query_params={"run": member.id})
            st.caption(described(member), width="content")
    if st.button("Compare the family", icon=":material/compare_arrows:", key=f"family-{run.id}"):
        st.switch_page(page_table.RUNS, query_params={"run": [member.id for _, member in tree]})


def described(run: RunState) -> str:
    """Where a run begins, what it changed, its status and its result, in words."""
    began = f"from epoch {round(run.forked_epoch, 2):g}, " if run.parent else ""
    began += "".join(f"{key} {after}, " for key, (_, after) in run.fork_changes.items())
    result = f", student {formatting.percent(run.results['student']['top1'])}" if run.results else ""
    return formatting.as_text(f"{began}{formatting.STATUS[run.status][0].lower()}{result}")
