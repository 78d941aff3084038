"""A photo, and what teacher, student and twin each take it for and look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import page_table
from pages.parts.attention import agreement, comparison, downloads, faithfulness, gallery, networks, over_time, trust
from pages.parts.attention.photo_choice import Shown, choose_photo, offer_photos, say_refused, take
from pages.parts.components.attention_layers import attention_layers

if TYPE_CHECKING:
    from kdcore.inspection import Choice
    from pages.parts.attention.comparison import Lab

# What there is further down, one at a time: its label -> what draws it.
DEEPER = {
    "Layers and heads": attention_layers.show,
    "How did it learn to see this?": over_time.show,
    "Is the map faithful?": faithfulness.show,
    "Agreement over photos": agreement.show,
    "Where they differ most": lambda lab, _offered: gallery.show(lab.chosen, lab.method, take),
    "Which maps to trust": lambda lab, _offered: trust.show(lab.chosen, lab.method),
    "Take it away": downloads.show,
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
    lab = comparison.set_up(shown, found)
    if lab.answers:
        comparison.draw(lab)
        comparison.say_what_they_know(lab)
        deeper(lab, offered)
    elif not lab.chosen:
        st.info("Choose at least one network.", icon=":material/info:")


def deeper(lab: Lab, offered: list[Shown]) -> None:
    picked = st.segmented_control("Look deeper", list(DEEPER), key="deeper", bind="query-params")
    if picked:
        DEEPER[picked](lab, offered)


main()
