"""A photo, or the camera, with the predictions and heatmaps of teacher, student and twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import left_out, page_table, sections
from pages.parts.attention import (
    agreement,
    camera,
    comparison,
    downloads,
    faithfulness,
    gallery,
    networks,
    old_links,
    opening,
    over_time,
    trust,
)
from pages.parts.attention.photo_choice import Shown, choose_photo, offer_photos, show_refused, take
from pages.parts.components.attention_layers import attention_layers

if TYPE_CHECKING:
    from kdcore.inspection import Choice
    from pages.parts.attention.comparison import ComparedPhoto

NARROW = Path(__file__).with_name("parts").joinpath("attention", "narrow.css").read_text(encoding="utf-8")

# The sections further down, one at a time: label -> what draws it.
SECTIONS = {
    "Layers and heads": attention_layers.show,
    "Over the epochs": over_time.show,
    "Faithfulness": faithfulness.show,
    "Agreement over photos": agreement.show,
    "Largest differences": lambda compared, _offered: gallery.show(compared.chosen, compared.map_name, take),
    "Which maps to trust": lambda compared, _offered: trust.show(compared.chosen, compared.map_name),
    "Download": downloads.show,
}


def main() -> None:
    st.title("Attention")
    st.html(f"<style>{NARROW}</style>")
    old_links.translate()
    found = networks.choices()
    if found and camera.choose_source() == camera.LIVE:
        camera.show(found)
    else:
        show_photo(found)


def show_photo(found: list[Choice]) -> None:
    """A photo, chosen or uploaded, and its comparison."""
    left, right = st.columns([1, 2], gap="medium")
    with left.container(key="own-photos"):
        offered, refused = offer_photos()
    with right:
        shown = choose_photo(offered, lambda: opening.sample(found))
    show_refused(refused, sum(not each.sample for each in offered))
    if not found:
        st.info("There is no network yet: none is bundled, and no run has a checkpoint.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
    if shown and found:
        look(shown, found, offered)


@st.fragment
def look(shown: Shown, found: list[Choice], offered: list[Shown]) -> None:
    """Choose networks and map, inspect, draw; and the section that the visitor opens."""
    compared = comparison.set_up(shown, found)
    if compared.inspections:
        comparison.draw(compared)
        comparison.list_classes(compared)
        section(compared, offered)
        left_out.show()
    elif not compared.chosen:
        st.info("Choose at least one network.", icon=":material/info:")


def section(compared: ComparedPhoto, offered: list[Shown]) -> None:
    picked = st.segmented_control("More", list(SECTIONS), key="deeper", bind="query-params")  # the address's old key
    if picked:
        with sections.place(SECTIONS, picked):
            SECTIONS[picked](compared, offered)


main()
