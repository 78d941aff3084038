"""The guided walk on Start: five steps of something to do, for a visitor who comes alone. The step is in the address."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from kdcore.errors import UserError
from pages.parts import formatting, page_table
from pages.parts.start import steps

WALK = "walk"  # in the address: the step from 1
OWN = (WALK, "guess", "turned", "poke", "point", "tested")  # what a step writes into the address


@dataclass(frozen=True)
class Step:
    """title: what there is to do. lead_on: the label of the button that leads to this step."""

    title: str
    lead_on: str
    draw: Callable[[], None]


STEPS = (
    Step("What do the three networks see?", "Start the tour", steps.guess),
    Step("Turn the teacher's temperature", "Next: turn the temperature", steps.turn),
    Step("Cover the tip", "Next: cover the tip", steps.cover),
    Step("What passes on?", "Next: what passes on", steps.test),
    Step("Try your photo", "Next: your photo", steps.own_photo),
)


def number() -> int:
    """The step in the address; 0 where there is none."""
    text = st.query_params.get(WALK, "")
    return int(text) if text in map(str, range(1, len(STEPS) + 1)) else 0


def offer() -> None:
    """The button on Start that begins it."""
    st.button(
        "Two-minute tour", icon=":material/directions_walk:", key="walk-begin", on_click=go, args=(1,),
        help="Five small things to do, with networks that are trained already.",
    )  # fmt: skip


def show() -> None:
    """The step of the address, and the ways on, back and out."""
    here = number()
    step = STEPS[here - 1]
    st.caption(f"Step {here} of {len(STEPS)}  ·  {'● ' * here}{'○ ' * (len(STEPS) - here)}")
    st.title(step.title, anchor=False)
    try:
        step.draw()
    except UserError as error:  # no network, no images, or a visitor's seconds of computing
        st.info(formatting.message(str(error)), icon=":material/info:")
    with st.container(horizontal=True, vertical_alignment="center", key="walk-buttons"):
        if here < len(STEPS):
            ahead = STEPS[here].lead_on
            st.button(
                ahead, type="primary", icon=":material/arrow_forward:", key="walk-next", on_click=go, args=(here + 1,)
            )
        elif st.button("Open Attention", type="primary", icon=":material/add_a_photo:", key="walk-photo"):
            st.switch_page(page_table.ATTENTION)
        if here > 1:
            st.button("Back", type="tertiary", key="walk-back", on_click=go, args=(here - 1,))
        st.button("Leave the tour", type="tertiary", key="walk-leave", on_click=go, args=(0,))


def go(step: int) -> None:
    """Open a step, without what the last one wrote into the address; 0 leaves the tour."""
    for name in OWN:
        st.query_params.pop(name, None)
    if step:
        st.query_params[WALK] = str(step)
