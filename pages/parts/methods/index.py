"""All methods: search and filters, then a small card for each, grouped by what they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import formatting
from pages.parts.methods.figures import FIRST

if TYPE_CHECKING:
    from kdcore.inspection.method_cards import Entry

GROUPS = {
    "labels": ("Labels", "no teacher"),
    "logits": ("Logits", "work between any two architectures"),
    "features": ("Features", "maps inside a network; shapes must be matched"),
    "attention": ("Attention", "where a network looks"),
    "relations": ("Relations", "between the images of a batch; shapes may differ"),
}
ANY = "Any direction"


def show(entries: Sequence[Entry]) -> None:
    st.title("Methods", anchor=False)
    st.markdown(
        "What a :violet[teacher] can pass on to a :primary[student]. Each card shows what is compared, when it helps and when "
        "not, and the defaults to start from."
    )
    found = choose(entries)
    for compares, (title, about) in GROUPS.items():
        if group := [entry for entry in found if entry.compares == compares]:
            st.markdown(f"##### {title} :gray[:small[{about}]]")
            with st.grid("auto", min_column_width=300):
                for entry in group:
                    card(entry)
    if not found:
        st.info("No method matches. Use fewer words, or remove a filter.", icon=":material/search_off:")


def choose(entries: Sequence[Entry]) -> list[Entry]:
    """Search and filters. Returns the methods that match."""
    with st.container(horizontal=True, vertical_alignment="top"):
        words = st.text_input(
            "Search", placeholder="attention, Hinton, contrastive …", type="search", icon=":material/search:", live=True,
            width=320, key="method-search", bind="query-params",
        )  # fmt: skip
        kinds = st.pills(
            "Compares", [kind for kind in GROUPS if any(e.compares == kind for e in entries)], selection_mode="multi",
            format_func=lambda kind: GROUPS[kind][0], key="method-kinds", bind="query-params", wrap=True,
        )  # fmt: skip
        pairs = list(dict.fromkeys(pair for entry in entries for pair in entry.refusals))
        pair = st.selectbox(
            "Teacher to student", [None, *pairs], key="method-pair", bind="query-params", width=190,
            format_func=lambda p: f"{p[0]} to {p[1]}" if p else ANY,
        )  # fmt: skip
    return [
        entry
        for entry in entries
        if (not kinds or entry.compares in kinds)
        and (pair is None or not entry.refusals[pair])
        and all(word in searched(entry) for word in (words or "").lower().split())
    ]


def searched(entry: Entry) -> str:
    """The text that a search looks through."""
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
        note = (
            "· start here"
            if entry.name == FIRST
            else f"· plugin {formatting.as_text(entry.plugin)}" * bool(entry.plugin)
        )
        st.markdown(f":small[`{entry.name}`]" + (f" :gray[:small[{note}]]" if note else ""))


def open_card(name: str | None) -> None:
    """Open a card, or the list of all methods."""
    if name is None:
        st.query_params.pop("method", None)
    else:
        st.query_params["method"] = name
