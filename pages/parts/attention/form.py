"""The choices of the Attention page: networks, map, class, layer and head, all in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import engine, formatting
from pages.parts.attention import networks
from pages.parts.own import search, weights
from pages.parts.roles import role

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Inspection

FITTING, SINGLY = "fitting", "singly"
OWN, OWN_TITLE = "own", "Each network's own"
SINGLE, MOST = "models", 3
EACH_PREDICTED, FIRST_PREDICTED, DISAGREE, TRUE = (
    "Each network's prediction",
    "The first network's prediction",
    "Why do they disagree?",
    "True class",
)


def choose_networks(found: list[Choice], *, dataset: str) -> dict[str, Choice]:
    """Up to three: heading -> network, the one that the others are compared with first. `dataset`: that of the photo, if it has one."""
    trios = networks.trios(found)
    titles = {
        FITTING: "Fitting the picture",  # the same words for every photo and the camera, since the browser remembers the words
        **{key: trio.title for key, trio in trios.items()},
        SINGLY: "Choose one by one",
    }
    picked = st.selectbox(
        "Networks",
        list(titles),
        format_func=titles.get,
        key="networks",
        bind="query-params",
        width=270,
        help="“Choose one by one” also has pretrained ImageNet networks, and weights of your own.",
    )
    if picked != SINGLY:
        return trio(found, titles[picked], dataset=dataset)

    known = {choice.reference: choice for choice in found}
    library = {networks.library_reference(name): name for name in engine.networks_here()}
    references = st.multiselect(
        "Up to three; the others are compared with the first",
        [*known, *library],
        [choice.reference for choice in trio(found, "", dataset=dataset).values()],
        format_func=lambda reference: (
            networks.full_title(known[reference]) if reference in known else f"{library[reference]}, pretrained"
        ),
        max_selections=MOST,
        key=SINGLE,
        bind="query-params",
        width=540,
    )
    return networks.headed([known.get(each) or networks.library_choice(library[each]) for each in references])


def trio(found: list[Choice], title: str, *, dataset: str) -> dict[str, Choice]:
    """Heading -> network of those with this title, else of those that fit the photo."""
    trios = networks.trios(found)
    named = next((each for each in trios.values() if each.title == title), None)
    picked = named or trios.get(dataset) or next(iter(trios.values()))
    return {role.capitalize(): choice for role, choice in picked.networks.items()}


def bring_networks() -> None:
    """Where networks are chosen one by one, the operator also searches the libraries and imports weights. Folded."""
    if st.session_state.get("networks") != SINGLY or not role.is_operator():
        return
    search.offer("attention", None, _of_library, first=search.HERE)
    weights.offer("attention", {"Add": _add})


def _of_library(found: engine.Facts) -> dict[str, Callable[[str], None]]:
    if found.weights.size is not None and found.weights.classes:
        return {"Add": lambda name: _add(networks.library_reference(name))}
    return {"Download": engine.download_weights} if found.reachable and not found.downloading else {}


def _add(reference: str) -> None:
    """Choose a network beside the others; the last one gives way where there are three."""
    others = [each for each in st.session_state.get(SINGLE, []) if each != reference]
    st.session_state[SINGLE] = [*others[: MOST - 1], reference]


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
        format_func=lambda name: OWN_TITLE if name == OWN else cards[name].title,
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
        *([DISAGREE] if second and _share_their_predictions(first, second) else []),
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


def _share_their_predictions(first: Inspection, second: Inspection) -> bool:
    """Whether each network has the class that the other one predicts."""
    return first.predictions[0][0] in second.classes and second.predictions[0][0] in first.classes


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
    """The request to one network: of the choices, those that its map takes and whose classes it has. `inspection` is that of the
    bare request."""
    request = bare_request(map_name)
    if depth is not None and inspection.layers:
        request["depth"] = depth
    if head is not None and head < inspection.heads:
        request["head"] = head
    explains = networks.maps()[inspection.map_name].explains_class and not lacking_classes(inspection, classes)
    return request | (classes if explains else {})


def lacking_classes(inspection: Inspection, classes: dict[str, str]) -> list[str]:
    """The chosen classes that a network does not have."""
    return [name for name in classes.values() if name not in inspection.classes]


def explain_lacking_classes(inspections: dict[str, Inspection], classes: dict[str, str]) -> None:
    """Which networks explain their own prediction, because they do not have the chosen class."""
    for heading, each in inspections.items():
        if networks.maps()[each.map_name].explains_class and (lacking := lacking_classes(each, classes)):
            st.caption(
                f"{formatting.as_text(heading)} has no class {formatting.as_text(' and '.join(lacking))}: its map explains its own "
                "prediction."
            )
