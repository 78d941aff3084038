"""The live camera on the Attention page: its networks and map, and the frame that becomes a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from kdcore.data import datasets
from pages.parts import palette
from pages.parts.attention import form, networks, photo_choice
from pages.parts.components import pictures
from pages.parts.components.live_camera.live_camera import Watched, live_camera
from pages.parts.roles import role
from pages.parts.server import camera

if TYPE_CHECKING:
    from kdcore.inspection import Choice

SOURCE = "source"  # in the address: what is looked at
PHOTO, LIVE = "Photo", "Live camera"
FASTEST = {True: 20.0, False: 8.0}  # frames a second; of a visitor so many that its seconds of computing suffice


def choose_source() -> str:
    """A photo, or the camera."""
    picked = st.segmented_control(
        "Look at",
        [PHOTO, LIVE],
        default=PHOTO,
        required=True,
        key=SOURCE,
        bind="query-params",
        label_visibility="collapsed",
    )
    return picked or PHOTO


def show(found: list[Choice]) -> None:
    """Networks, map and the camera."""
    with st.container(horizontal=True, key="map-choices"):
        chosen = form.choose_networks(found, dataset=of_photographs(found))
        map_name = choose_map()
    if not chosen:
        st.info("Choose at least one network.", icon=":material/info:")
        return
    side = max(choice.image_size for choice in chosen.values())
    key = camera.key_for([choice.reference for choice in chosen.values()], map_name, side)
    live_camera(
        watched(chosen),
        key=key,
        side=min(side, camera.LARGEST),
        fastest=FASTEST[role.is_operator()],
        on_frozen=freeze,
    )


def of_photographs(found: list[Choice]) -> str:
    """The networks that the camera starts with: the first whose dataset has photographs, not drawings."""
    return next(
        (key for key in networks.trios(found) if key in datasets.names() and key not in datasets.names("drawn")), ""
    )


def choose_map() -> str:
    """One of the maps that take one pass, so that they keep up."""
    cards = {name: card for name, card in networks.maps().items() if card.one_pass}
    usual = networks.first_choice()
    return st.selectbox(
        "Map",
        list(cards),
        list(cards).index(usual) if usual in cards else 0,
        format_func=lambda name: cards[name].title,
        key="live-map",
        bind="query-params",
        width=210,
        help="Maps of one pass, which keep up with a camera.\n"
        + "\n".join(f"- **{card.title}**: {card.summary}" for card in cards.values()),
    )


def watched(chosen: dict[str, Choice]) -> list[Watched]:
    return [
        Watched(heading, choice.title, pictures.colour(colour))
        for (heading, choice), colour in zip(chosen.items(), palette.NETWORKS, strict=False)
    ]


def freeze(raw: bytes) -> None:
    """The frame becomes the chosen photo."""
    photo_choice.keep("camera", raw)
    st.session_state[SOURCE] = PHOTO
