"""A photo, and what teacher, student and twin each take it for and look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    attention_agreement,
    attention_faithful,
    attention_files,
    attention_gallery,
    attention_lab,
    attention_layers,
    attention_time,
    attention_trust,
    networks,
    page_table,
)
from pages.parts.photo_choice import Shown, choose_photo, offer_photos, say_refused, take

if TYPE_CHECKING:
    from kdcore.inspector import Choice
    from pages.parts.attention_lab import Lab

# What there is further down, one at a time: its label -> what draws it.
DEEPER = {
    "Layers and heads": attention_layers.show,
    "How did it learn to see this?": attention_time.show,
    "Is the map faithful?": attention_faithful.show,
    "Agreement over photos": attention_agreement.show,
    "Where they differ most": lambda lab, _offered: attention_gallery.show(lab.chosen, lab.method, take),
    "Which maps to trust": lambda lab, _offered: attention_trust.show(lab.chosen, lab.method),
    "Take it away": attention_files.show,
}


def main() -> None:
    st.title("Attention")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        offered, refused = offer_photos()
    with right:
        shown = choose_photo(offered)
    say_refused(refused, sum(not each.sample for each in offered))
    found = networks.choices()
    if not found:
        st.info("There is no network to ask yet: none is bundled, no run has a checkpoint.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
    if shown and found:
        look(shown, found, offered)


@st.fragment
def look(shown: Shown, found: list[Choice], offered: list[Shown]) -> None:
    """Choose networks and map, ask, draw; and further down whatever the visitor opens."""
    lab = attention_lab.set_up(shown, found)
    if lab.answers:
        attention_lab.draw(lab)
        attention_lab.say_what_they_know(lab)
        deeper(lab, offered)
    elif not lab.chosen:
        st.info("Choose at least one network.", icon=":material/info:")


def deeper(lab: Lab, offered: list[Shown]) -> None:
    picked = st.segmented_control("Look deeper", list(DEEPER), key="deeper", bind="query-params")
    if picked:
        DEEPER[picked](lab, offered)


main()
