"""What is chosen on the Attention page: networks, map, layer and head. All of it is in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import networks

if TYPE_CHECKING:
    from kdcore.inspector import Choice, Inspection

    Places = dict[str, tuple[int | None, int | None]]  # heading -> layer and head, from 0

FITTING, SINGLY = "fitting", "singly"
COMMON, OWN = "common", "own"
MAPS = {COMMON: "The same for all", OWN: "Each network's own"}


def choose_networks(found: list[Choice], *, cues: bool) -> dict[str, Choice]:
    """Up to three: heading -> network, the one that the others are compared with first. `cues`: what the photo shows."""
    trios = networks.trios(found)
    fitting = trios.get("cues" if cues else "cifar10") or next(iter(trios.values()))
    titles = {
        FITTING: f"Those for this photo ({fitting.title})",
        **{key: trio.title for key, trio in trios.items()},
        SINGLY: "Choose singly",
    }
    picked = st.selectbox(
        "Networks", list(titles), format_func=titles.get, key="networks", bind="query-params", width=300
    )
    if picked != SINGLY:
        trio = trios.get(picked, fitting)
        return {role.capitalize(): choice for role, choice in trio.networks.items()}

    known = {choice.reference: choice for choice in found}
    references = st.multiselect(
        "Up to three; the first is what the others are compared with",
        list(known),
        [choice.reference for choice in fitting.networks.values()],
        format_func=lambda reference: networks.full_title(known[reference]),
        max_selections=3,
        key="models",
        bind="query-params",
        width=540,
    )
    return networks.headed([known[reference] for reference in references])


def choose_method(chosen: list[Choice]) -> str | None:
    """The map that all are asked for; None for each network's own."""
    which = st.segmented_control(
        "Map", list(MAPS), format_func=MAPS.get, default=COMMON, required=True, key="map", bind="query-params"
    )
    if which == OWN:
        return None
    only_vits = all(choice.architecture == "vit" for choice in chosen)
    cards = {name: card for name, card in networks.maps().items() if only_vits or card.architectures == "any"}
    return st.selectbox(
        "Method",
        list(cards),
        list(cards).index(networks.GRAD_CAM),
        format_func=lambda name: cards[name].title,
        key="method",
        bind="query-params",
        width=200,
        help="\n".join(f"- **{card.title}**: {card.shows}" for card in cards.values()),
    )


def choose_layer_and_head(answers: list[Inspection]) -> tuple[int, int]:
    """From 1, where any of the networks has a choice for this map; 0 for the last layer and the mean of the heads."""
    layers, heads = (max((getattr(each, what) for each in answers), default=0) for what in ("layers", "heads"))
    layer = head = 0
    if layers > 1:
        layer = st.selectbox(
            "Layer",
            range(layers + 1),
            format_func=lambda number: str(number or "Last"),
            key="layer",
            bind="query-params",
            width=110,
            help="Counted in the deepest of the networks; the others show theirs at the same depth.",
        )
    if heads > 1:
        head = st.selectbox(
            "Head",
            range(heads + 1),
            format_func=lambda number: str(number or "Mean"),
            key="head",
            bind="query-params",
            width=110,
            help="A network without this head shows the mean of its own.",
        )
    return layer, head


def places(answers: dict[str, Inspection], layer: int, head: int) -> Places:
    """Each network's own layer and head for those chosen on the page."""
    deepest = max(each.layers for each in answers.values())
    return {
        heading: (
            round((layer - 1) / max(1, deepest - 1) * (each.layers - 1)) if layer and each.layers else None,
            head - 1 if 0 < head <= each.heads else None,
        )
        for heading, each in answers.items()
    }
