"""A closer look at one test set: its strength, its images, the networks' layers and heatmaps, all numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import formatting, sections
from pages.parts.robustness import heatmaps, images, layers, measured, numbers, strengths
from pages.parts.robustness.chosen import Chosen
from pages.parts.robustness.overview import CLOSER, EVERY, SET, STRENGTH

if TYPE_CHECKING:
    from kdcore.inspection.robustness import SetCard
    from pages.parts.robustness.evaluation import Evaluation


@dataclass(frozen=True)
class Closer:
    """What the sections are about.

    condition: the chosen set at the chosen strength.
    """

    chosen: Chosen
    running: Evaluation
    cards: Mapping[str, SetCard]
    card: SetCard
    condition: str


SECTIONS: dict[str, Callable[[Closer], None]] = {
    "Strength": strengths.show,
    "Images": images.show,
    "Layers": layers.show,
    "Heatmaps": heatmaps.show,
    "Numbers": numbers.show,
}


def marked(cards: Mapping[str, SetCard]) -> str:
    """The row of the chart whose set is looked at: at the chosen strength where each strength has a row, else at its usual one."""
    names = usable(cards)
    name = st.session_state.get(
        SET, next((each for each in names if cards[each].title == st.query_params.get(SET)), "")
    )
    if name not in names:
        name = next(iter(names), "")
    strength = st.session_state.get(STRENGTH, "")
    every = st.session_state.get(EVERY) and measured.split(strength)[0] == name
    return strength if every else cards[name].usual if name else ""


def usable(cards: Mapping[str, SetCard]) -> list[str]:
    """The sets that can be made, in the order of the chart's groups."""
    known = [name for name, card in cards.items() if not card.unavailable]
    return sorted(known, key=lambda each: (list(measured.GROUPS).index(cards[each].probes), cards[each].title))


@st.fragment
def look(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard], drawn: str) -> None:
    """Set, strength and section; redrawn alone where the chart above need not be. drawn: the row that is marked there."""
    closer = choose(chosen, running, cards)
    if marked(cards) != drawn:
        st.rerun()
    if closer:
        show(closer)


def choose(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard]) -> Closer | None:
    """The set and its strength; None where no set can be made for these networks."""
    with st.container(key=CLOSER):
        st.subheader("A closer look", anchor=False)
    names = usable(cards)
    if not names:
        st.info("No test set can be made for these networks.", icon=":material/info:")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.selectbox(
            "Test set", names, format_func=lambda each: cards[each].title, key=SET, bind="query-params", width=320
        )
        condition = choose_strength(cards[name])
    st.caption(f"{cards[name].summary} {formatting.as_text(cards[name].source)}.")
    return Closer(chosen, running, cards, cards[name], condition)


def show(closer: Closer) -> None:
    """The section that is open."""
    picked = st.segmented_control(
        "Show", list(SECTIONS), default="Strength", required=True, key="show", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    opened = picked or "Strength"
    with sections.place(SECTIONS, opened):
        SECTIONS[opened](closer)
    name_unavailable(closer.cards)


def choose_strength(card: SetCard) -> str:
    """The condition of the set at a strength, which may lie between the listed ones."""
    known = strengths.steps_of(card)
    if len(known) == 1:
        return card.usual
    if st.session_state.get(STRENGTH) not in known:  # of another set
        st.session_state.pop(STRENGTH, None)
    return st.select_slider(
        f"Strength: {card.parameter}", known, card.usual if card.usual in known else known[0],
        format_func=lambda each: measured.split(each)[1], key=STRENGTH, bind="query-params", width=420,
    )  # fmt: skip


def name_unavailable(cards: Mapping[str, SetCard]) -> None:
    """The sets that cannot be made for these networks, with the reasons."""
    missing = [card for card in cards.values() if card.unavailable]
    if missing:
        with st.expander(f"{len(missing)} test sets are not available for these networks", icon=":material/block:"):
            for card in missing:
                st.markdown(f"**{card.title}**: {formatting.message(card.unavailable)}")
