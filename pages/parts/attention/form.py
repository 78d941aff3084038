"""The choices of the Attention page: networks, map, class, layer and head, all in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import engine, formatting
from pages.parts.attention import networks

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Inspection

FITTING, SINGLY = "fitting", "singly"
OWN = "own"
EACH_PREDICTED, FIRST_PREDICTED, DISAGREE, TRUE = (
    "Each network's prediction",
    "The first network's prediction",
    "Why do they disagree?",
    "True class",
)


def choose_networks(found: list[Choice], *, dataset: str) -> dict[str, Choice]:
    """Up to three: heading -> network, the one that the others are compared with first. `dataset`: that of the photo, if it has one."""
    trios = networks.trios(found)
    fitting = trios.get(dataset) or next(iter(trios.values()))
    titles = {
        FITTING: "Fitting this photo",  # the same words for every photo, since the browser remembers the words
        **{key: trio.title for key, trio in trios.items()},
        SINGLY: "Choose one by one",
    }
    picked = st.selectbox(
        "Networks", list(titles), format_func=titles.get, key="networks", bind="query-params", width=270
    )
    if picked != SINGLY:
        trio = trios.get(picked, fitting)
        return {role.capitalize(): choice for role, choice in trio.networks.items()}

    known = {choice.reference: choice for choice in found}
    references = st.multiselect(
        "Up to three; the others are compared with the first",
        list(known),
        [choice.reference for choice in fitting.networks.values()],
        format_func=lambda reference: networks.full_title(known[reference]),
        max_selections=3,
        key="models",
        bind="query-params",
        width=540,
    )
    return networks.headed([known[reference] for reference in references])


def explain_missing_teacher(chosen: dict[str, Choice]) -> None:
    """Where the networks of a run are shown without its teacher, say why."""
    runs = {networks.family(choice.reference)[0] for choice in chosen.values() if choice.kind == "run"}
    if len(runs) == 1 and (why := engine.without_teacher(*runs)):
        st.caption(formatting.message(why))


def choose_map() -> str | None:
    """The map of all networks; None for each network's own."""
    cards = networks.maps()
    picked = st.selectbox(
        "Map",
        [OWN, *cards],
        1 + list(cards).index(networks.first_choice()),
        format_func=lambda name: "Each network's own" if name == OWN else cards[name].title,
        key="method",  # as the address has always called it
        bind="query-params",
        width=210,
        help="\n".join(f"- **{card.title}**: {card.summary}" for card in cards.values()),
    )
    return None if picked == OWN else picked


def bare_request(map_name: str | None) -> dict[str, Any]:
    """The request for a map alone; a network that does not have it shows its counterpart."""
    return {"map_name": map_name, "substitute": True} if map_name else {}


def choose_class(inspections: dict[str, Inspection], true: str) -> dict[str, str]:
    """The class that the maps explain: `target` and `against` of a request; empty for each network's prediction.

    Args:
        inspections: of the photo as it is; the first two tell between which classes the networks disagree.
        true: the photo's class where it is known.
    """
    first, second = (*inspections.values(), None, None)[:2]
    if first is None:
        return {}
    special = [
        EACH_PREDICTED,
        FIRST_PREDICTED,
        *([DISAGREE] if second else []),
        *([TRUE] if true in first.classes else []),
    ]
    picked = st.selectbox(
        "Explained class",
        [*special, *first.classes],
        key="class",
        bind="query-params",
        width=230,
        help="The class that the map explains. “Why do they disagree?” shows what speaks for the first network's prediction rather "
        "than the second's or, where both predict the same, rather than the first network's second choice.",
    )
    named = first.predictions[0][0]
    if picked == EACH_PREDICTED:
        return {}
    if picked == FIRST_PREDICTED:
        return {"target": named}
    if picked == DISAGREE and second:
        other = second.predictions[0][0]
        return {"target": named, "against": other if other != named else first.predictions[1][0]}
    return {"target": true if picked == TRUE else picked}


def choose_layer_and_head(inspections: list[Inspection]) -> tuple[float | None, int | None]:
    """Depth from 0 to 1, and head from 0, where any of the networks has a choice for this map; None for the last layer and the
    mean of the heads."""
    layers, heads = (max((getattr(each, what) for each in inspections), default=0) for what in ("layers", "heads"))
    layer = head = 0
    if layers > 1:
        layer = st.selectbox(
            "Layer",
            range(layers + 1),
            format_func=lambda number: f"{number} of {layers}" if number else "Last",
            key="layer",
            bind="query-params",
            width=110,
            help="Counted in the deepest network; the others show their layer at the same relative depth.",
        )
    if heads > 1:
        head = st.selectbox(
            "Head",
            range(heads + 1),
            format_func=lambda number: str(number or "Mean"),
            key="head",
            bind="query-params",
            width=110,
            help="A network without this head shows the mean of its heads.",
        )
    return (layer - 1) / (layers - 1) if layer else None, head - 1 if head else None


def request_for(
    inspection: Inspection, map_name: str | None, depth: float | None, head: int | None, classes: dict[str, str]
) -> dict[str, Any]:
    """The request to one network: of the choices, those that its map takes. `inspection` is that of the bare request."""
    request = bare_request(map_name)
    if depth is not None and inspection.layers:
        request["depth"] = depth
    if head is not None and head < inspection.heads:
        request["head"] = head
    return request | (classes if networks.maps()[inspection.map_name].explains_class else {})
