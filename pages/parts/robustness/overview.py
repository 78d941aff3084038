"""The chart of all test sets by one measure, and the switch between measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import formatting
from pages.parts.components.dumbbell import dumbbell
from pages.parts.robustness import evaluation, measured, outcomes
from pages.parts.robustness.chosen import Chosen

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Row, SetCard
    from pages.parts.robustness.evaluation import Evaluation

MEASURE = "measure"  # in the address
CLOSER = "closer-look"  # the key of the part below
SET, STRENGTH = "set", "strength"
EVERY = "every"  # whether each strength has a row
PICKED = "robustness-picked"  # in the session: a row of the chart was clicked while the chart refreshes itself


def draw(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard], marked: str) -> None:
    """Progress, measure and chart; they refresh themselves while an evaluation is going. marked: the row that is looked at."""
    going = running.running.going
    (st.fragment(refreshed, run_every=evaluation.EVERY) if going else refreshed)(chosen, running, cards, marked, going)


def refreshed(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard], marked: str, timed: bool) -> None:
    """timed: it is drawn again and again; when that has to end, or a row was clicked, the whole page is."""
    if timed and (not running.running.going or st.session_state.pop(PICKED, False)):
        st.rerun()
    show(chosen, running, cards, marked, timed)
    evaluation.take_steps(running)  # last, so that what is drawn does not look outdated meanwhile
    if timed and not running.running.going:
        st.rerun()


def show(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard], marked: str, timed: bool) -> None:
    shown = running.shown
    rows = (measured.so_far if timed and shown is not running.kept() else measured.of)(shown, chosen)
    evaluation.progress(running, {name: card.title for name, card in cards.items()})
    row = choose_measure(rows) if rows else None
    if row is None:
        if not timed:
            st.info("These networks have not been evaluated yet.", icon=":material/info:")
        return
    st.markdown(f"**{row.title}.** {row.sentence}")
    of_measure = [each for each in rows if each.measure == row.measure]
    if line := measured.headline(rows, of_measure, cards):
        st.markdown(line)
    if found := measured.claims(of_measure):
        with st.expander("In sentences, with their intervals", icon=":material/format_list_bulleted:"):
            st.markdown("\n".join(f"- {formatting.as_text(each)}" for each in found))
    few = measured.usual(of_measure, cards)
    chart(of_measure if every(len(few), len(of_measure)) else few, chosen, cards, marked)
    names = {reference: chosen.name(reference) for reference in chosen.references}
    own = [name for name, card in cards.items() if card.own_images]
    st.caption(
        f"{outcomes.images(shown, own)} test images per set. Bars: 95 % intervals over images, not corrected for their number; bold: that of "
        f"the difference excludes 0. Click a row for a closer look. {formatting.as_text(shown.sizes(names))}"
    )


def every(few: int, many: int) -> bool:
    """Whether each set is shown at every strength that is known."""
    return few < many and st.toggle(f"Every strength ({many} rows instead of {few})", key=EVERY, bind="query-params")


def choose_measure(rows: list[Row]) -> Row:
    """A row of the chosen measure."""
    known = measured.measures(rows)
    labels = {measured.label(row): row for name in (*measured.SHORT, *known) if (row := known.get(name))}
    first = next(iter(labels))
    picked = st.pills("Measure", list(labels), default=first, required=True, key=MEASURE, bind="query-params")
    return labels[picked or first]


def chart(rows: list[Row], chosen: Chosen, cards: Mapping[str, SetCard], marked: str) -> None:
    dumbbell.draw(
        chosen.drawn(),
        measured.chart_rows(rows, chosen, cards),
        measured.writer(rows[0].unit),
        bar=chosen.compared or (),
        last=last_column(rows[0], chosen),
        chosen=marked,
        on_pick=pick,
        scroll_to=CLOSER,
    )


def last_column(row: Row, chosen: Chosen) -> str:
    """What the differences are."""
    what = chosen.difference
    return f"{what}, percentage points" if what and row.unit == "share" else what


def pick(condition: str) -> None:
    """A row was clicked: its set and strength are chosen below."""
    name, _ = measured.split(condition)
    if name != measured.CLEAN:
        st.session_state[SET] = name
        st.session_state[STRENGTH] = condition
        st.session_state[PICKED] = True
