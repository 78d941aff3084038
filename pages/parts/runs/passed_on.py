"""What else passed on: a finished run's networks on a few perturbed test sets, below its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe.references import RunNetwork
from kdcore.store import RunState
from pages.parts import engine, formatting, page_table, palette
from pages.parts.components.dumbbell import dumbbell
from pages.parts.robustness import chosen as networks
from pages.parts.robustness import evaluation, measured
from pages.parts.robustness.chosen import Chosen
from pages.parts.roles import control, role

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment

ACCURACY = "accuracy"


def show(run: RunState) -> None:
    """The card of a finished run that has a teacher and a checkpoint; nothing for others."""
    if (
        run.status != "finished"
        or not {"teacher", "student"} <= run.results.keys()
        or not engine.store().checkpoint(run.id)
    ):
        return
    roles = {name: str(RunNetwork(run.id, name)) for name in palette.NETWORKS if name in run.results}
    chosen = networks.of_family(run.id, roles)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**What else passed on**", width="content")
            st.space("stretch")
            page_table.go_button("Open in Robustness", ":material/blur_on:", page_table.ROBUSTNESS, run=run.id)
        going = evaluation.of(chosen).running.going
        (st.fragment(card, run_every=evaluation.EVERY) if going else card)(chosen, run.id, going)


def card(chosen: Chosen, run_id: str, timed: bool) -> None:
    """The kept results as a small chart; else how to compute them. timed: it is drawn again and again until the end."""
    found = evaluation.of(chosen)
    try:
        evaluation.progress(found, titles(chosen) if timed else {})
        if found.running.going and found.running.may_step:
            st.button("Stop", icon=":material/stop:", on_click=found.running.stop, key=f"stop-passed-on-{run_id}")
        assessment = found.shown
        if len(assessment.conditions) > 1:
            chart(assessment, chosen, run_id, timed)
        elif not found.running.going:
            offer(chosen, found, run_id)
    except UserError as error:
        st.caption(formatting.message(str(error)))
    evaluation.take_steps(found)
    if timed and not found.running.going:
        st.rerun()


def chart(assessment: Assessment, chosen: Chosen, run_id: str, timed: bool) -> None:
    """The sets of the quick evaluation, one of each kind."""
    cards = measured.test_sets(chosen)
    quick = tuple(evaluation.conditions("quick", chosen))
    part = measured.only(assessment, quick)
    rows = (measured.so_far if timed else measured.of)(part, chosen)
    shown = [row for row in rows if row.measure == ACCURACY]
    dumbbell.draw(
        chosen.drawn(),
        {"": [measured.chart_row(row, chosen, cards) for row in shown]},
        measured.writer("share"),
        bar=chosen.compared or (),
        last="Student − twin, percentage points" if chosen.compared else "",
        key=f"passed-on-{run_id}",
    )
    st.caption(
        f"Accuracy on {assessment.images:,} test images per set, perturbed in one way each; bars: 95 % intervals over images, not "
        "corrected for their number; bold: that of the difference excludes 0. One run: another random seed gives other differences."
    )


def titles(chosen: Chosen) -> dict[str, str]:
    return {name: card.title for name, card in measured.test_sets(chosen).items()}


def offer(chosen: Chosen, running: evaluation.Evaluation, run_id: str) -> None:
    """One button, the operator's."""
    st.caption("Does the student also resemble its teacher on noisy, scrambled or blurred images? Not evaluated yet.")
    if why := engine.evaluation_refusal(chosen.references):
        st.caption(formatting.message(why))
    elif role.is_operator():
        st.button(
            "Evaluate on a few test sets", icon=":material/play_arrow:", on_click=evaluation.start, args=(chosen, running, "quick"),
            key=f"evaluate-passed-on-{run_id}",
        )  # fmt: skip
    else:
        control.only_the_operator("evaluate a run from here")
