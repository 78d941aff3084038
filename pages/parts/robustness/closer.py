"""A closer look at one test set: its strength, its images, the networks' layers and heatmaps, all numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import formatting, sections
from pages.parts.robustness import heatmaps, images, layers, measured, numbers, strengths
from pages.parts.robustness.chosen import Chosen
from pages.parts.robustness.overview import CLOSER, SET, STRENGTH

if TYPE_CHECKING:
    from kdcore.inspection.robustness import SetCard
    from pages.parts.robustness.evaluation import Evaluation

BETWEEN = 4  # steps between two listed strengths that are no whole numbers


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


def choose(chosen: Chosen, running: Evaluation, cards: Mapping[str, SetCard]) -> Closer | None:
    """The set and its strength; None where no set can be made for these networks."""
    with st.container(key=CLOSER):
        st.subheader("A closer look", anchor=False)
    usable = {name: card for name, card in cards.items() if not card.unavailable}
    if not usable:
        st.info("No test set can be made for these networks.", icon=":material/info:")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.selectbox(
            "Test set", sorted(usable, key=lambda each: (list(measured.GROUPS).index(usable[each].probes), usable[each].title)),
            format_func=lambda each: usable[each].title, key=SET, bind="query-params", width=320,
        )  # fmt: skip
        condition = choose_strength(usable[name])
    st.caption(f"{usable[name].summary} {formatting.as_text(usable[name].source)}.")
    return Closer(chosen, running, cards, usable[name], condition)


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
    known = strengths_of(card)
    if len(known) == 1:
        return card.usual
    if st.session_state.get(STRENGTH) not in known:  # of another set
        st.session_state.pop(STRENGTH, None)
    return st.select_slider(
        f"Strength: {card.parameter}", known, card.usual if card.usual in known else known[0],
        format_func=lambda each: measured.split(each)[1], key=STRENGTH, bind="query-params", width=420,
    )  # fmt: skip


def strengths_of(card: SetCard) -> list[str]:
    """Conditions from weak to strong: the listed strengths, and between them whole numbers or a few even steps."""
    values = card.strengths
    if len(values) < 2 or card.cached:
        return list(card.conditions)
    found: list[float] = []
    for one, other in itertools.pairwise(values):
        if float(one).is_integer() and float(other).is_integer():
            step = 1 if other > one else -1
            between = [float(each) for each in range(int(one), int(other), step)]
        else:
            between = [one + (other - one) * place / BETWEEN for place in range(BETWEEN)]
        found += between
    return [f"{card.name}@{each:.6g}" for each in (*found, values[-1])]


def name_unavailable(cards: Mapping[str, SetCard]) -> None:
    """The sets that cannot be made for these networks, with the reasons."""
    missing = [card for card in cards.values() if card.unavailable]
    if missing:
        with st.expander(f"{len(missing)} test sets are not available for these networks", icon=":material/block:"):
            for card in missing:
                st.markdown(f"**{card.title}**: {formatting.message(card.unavailable)}")
