"""All methods at a glance: search and filters, then a small card each, by what they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts.methods.figures import FIRST

if TYPE_CHECKING:
    from kdcore.inspection.method_cards import Entry

GROUPS = {
    "labels": ("Labels", "what a network learns from without a teacher"),
    "logits": ("Logits", "what a network answers; works between any two architectures"),
    "features": ("Features", "what lies inside a network; maps must be brought to one shape"),
    "attention": ("Attention", "where a network looks"),
    "relations": ("Relations", "how images lie to each other; shapes may differ"),
}
ANY = "Any direction"


def show(entries: Sequence[Entry]) -> None:
    st.title("Methods", anchor=False)
    st.markdown(
        "Each method is one idea of what a :violet[teacher] can pass on to a :primary[student]. Its card says what is "
        "compared, when that helps and when it does not, with the numbers to start from."
    )
    found = choose(entries)
    for compares, (title, about) in GROUPS.items():
        if group := [entry for entry in found if entry.compares == compares]:
            st.markdown(f"##### {title} :gray[:small[{about}]]")
            with st.grid("auto", min_column_width=300):
                for entry in group:
                    card(entry)
    if not found:
        st.info("No method is like that. Search for less, or take a filter away.", icon=":material/search_off:")


def choose(entries: Sequence[Entry]) -> list[Entry]:
    """Search and filters, and what they leave."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search", placeholder="attention, Hinton, contrastive …", type="search", icon=":material/search:", live=True,
            width=320, key="method-search",
        )  # fmt: skip
        kinds = st.pills(
            "Compares", [kind for kind in GROUPS if any(e.compares == kind for e in entries)], selection_mode="multi",
            format_func=lambda kind: GROUPS[kind][0], key="method-kinds",
        )  # fmt: skip
        pairs = list(dict.fromkeys(pair for entry in entries for pair in entry.refusals))
        pair = st.selectbox(
            "Teacher to student", [None, *pairs], key="method-pair", width=190,
            format_func=lambda p: f"{p[0]} to {p[1]}" if p else ANY,
        )  # fmt: skip
    return [
        entry
        for entry in entries
        if (not kinds or entry.compares in kinds)
        and (pair is None or not entry.refusals[pair])
        and all(word in told(entry) for word in (words or "").lower().split())
    ]


def told(entry: Entry) -> str:
    """All that a search looks through."""
    card = entry.card
    return " ".join(
        [entry.name, entry.name.replace("_", " "), card.title, card.summary, card.paper, entry.compares]
    ).lower()


def card(entry: Entry) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.button(
            f"**{entry.card.title}**", key=f"open-{entry.name}", type="tertiary", icon=":material/chevron_right:",
            icon_position="right", on_click=open_card, args=[entry.name],
        )  # fmt: skip
        st.markdown(f":small[{entry.card.summary}]")
        st.caption(f"`{entry.name}`" + (" · start here" if entry.name == FIRST else ""))


def open_card(name: str | None) -> None:
    """To a card, or back to all of them."""
    if name is None:
        st.query_params.pop("method", None)
    else:
        st.query_params["method"] = name
