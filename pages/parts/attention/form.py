"""What is chosen on the Attention page: networks, map, class, layer and head. All of it is in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts.attention import networks

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Inspection

FITTING, SINGLY = "fitting", "singly"
OWN = "own"
OWN_ANSWER, TEACHERS, DISAGREE, TRUE = (
    "Each network's answer",
    "The first network's answer",
    "Why do they disagree?",
    "True class",
)


def choose_networks(found: list[Choice], *, cues: bool) -> dict[str, Choice]:
    """Up to three: heading -> network, the one that the others are compared with first. `cues`: what the photo shows."""
    trios = networks.trios(found)
    fitting = trios.get("cues" if cues else "cifar10") or next(iter(trios.values()))
    titles = {
        FITTING: "Those for this photo",  # the same words for every photo: the browser keeps those it has chosen
        **{key: trio.title for key, trio in trios.items()},
        SINGLY: "Choose singly",
    }
    picked = st.selectbox(
        "Networks", list(titles), format_func=titles.get, key="networks", bind="query-params", width=270
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


def choose_method() -> str | None:
    """The map that all are asked for; None for each network's own."""
    cards = networks.maps()
    picked = st.selectbox(
        "Map",
        [OWN, *cards],
        1 + list(cards).index(networks.COMMON),
        format_func=lambda name: "Each network's own" if name == OWN else cards[name].title,
        key="method",
        bind="query-params",
        width=210,
        help="\n".join(f"- **{card.title}**: {card.shows}" for card in cards.values()),
    )
    return None if picked == OWN else picked


def choose_class(answers: dict[str, Inspection], true: str) -> dict[str, str]:
    """The class that the maps explain: `target` and `against` of a question; nothing for each network's own answer.

    Args:
        answers: of the photo as it is; the first network's and the second's say about which classes they disagree.
        true: the photo's class where it is known.
    """
    first, second = (*answers.values(), None, None)[:2]
    if first is None:
        return {}
    special = [OWN_ANSWER, TEACHERS, *([DISAGREE] if second else []), *([TRUE] if true in first.classes else [])]
    picked = st.selectbox(
        "Explained class",
        [*special, *first.classes],
        key="class",
        bind="query-params",
        width=230,
        help="What the map should speak for. “Why do they disagree?” shows what speaks for the first network's answer rather "
        "than the second's; where both say the same, rather than the first network's second choice.",
    )
    named = first.predictions[0][0]
    if picked == OWN_ANSWER:
        return {}
    if picked == TEACHERS:
        return {"target": named}
    if picked == DISAGREE and second:
        other = second.predictions[0][0]
        return {"target": named, "against": other if other != named else first.predictions[1][0]}
    return {"target": true if picked == TRUE else picked}


def choose_layer_and_head(answers: list[Inspection]) -> tuple[float | None, int | None]:
    """Depth from 0 to 1, and head from 0, where any of the networks has a choice for this map; None for the last layer and the
    mean of the heads."""
    layers, heads = (max((getattr(each, what) for each in answers), default=0) for what in ("layers", "heads"))
    layer = head = 0
    if layers > 1:
        layer = st.selectbox(
            "Layer",
            range(layers + 1),
            format_func=lambda number: f"{number} of {layers}" if number else "Last",
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
    return (layer - 1) / (layers - 1) if layer else None, head - 1 if head else None


def for_network(
    choice: Choice,
    answer: Inspection,
    method: str | None,
    depth: float | None,
    head: int | None,
    classes: dict[str, str],
) -> dict[str, Any]:
    """The question to one network: what its map takes of what was chosen. `answer` is what it said to the bare question."""
    card = networks.maps()[answer.method]
    asked: dict[str, Any] = {"method": networks.method_for(choice, method)} if method else {}
    if depth is not None and answer.layers:
        asked["depth"] = depth
    if head is not None and head < answer.heads:
        asked["head"] = head
    return asked | (classes if card.explains_class else {})
