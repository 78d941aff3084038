"""Search of the libraries' networks: what is known of each, and buttons that choose one."""

from collections.abc import Callable, Mapping

import streamlit as st

from pages.parts import engine, formatting
from pages.parts.own import facts

FEW = 6  # networks at once
POLL_SECONDS = 0.7
ALL, WITH_WEIGHTS, HERE = "All", "With pretrained weights", "Weights on this machine"
Actions = Callable[
    ["engine.Facts"], Mapping[str, Callable[[str], None]]
]  # label of a button -> what it does with a name


def offer(key: str, image_size: int | None, actions: Actions, *, first: str = ALL) -> None:
    """A folded search. actions: the buttons of a network, which act before the page is redrawn."""
    box = st.expander("Find a network", icon=":material/search:", key=f"find-{key}", on_change="rerun")
    if box.open:
        with box:
            _fragment(key, image_size, actions, first)


def _fragment(key: str, image_size: int | None, actions: Actions, first: str) -> None:
    pending = st.session_state.get(_pending(key), True)

    def draw() -> None:
        still = _search(key, image_size, actions, first)
        if still != pending:  # the timer starts, or stops
            st.session_state[_pending(key)] = still
            st.rerun()

    st.fragment(draw, run_every=POLL_SECONDS if pending else None)()


def _pending(key: str) -> str:
    return f"pending-{key}"


def _search(key: str, image_size: int | None, actions: Actions, first: str) -> bool:
    """Draw fields and results. Whether more will be known of a result in a moment."""
    query = st.text_input(
        "Name",
        key=f"query-{key}",
        placeholder="resnet50, vit tiny 224 …",
        help="All words are looked for, in any order. With a point, as resnet50.a1, timm's tags of weights.",
    )
    options = [ALL, WITH_WEIGHTS, HERE]
    which = st.segmented_control(
        "Which", options, default=first, required=True, key=f"which-{key}", label_visibility="collapsed"
    )
    if not query.strip() and which != HERE:
        st.caption("Type some of a name: timm and torchvision have more than 1,400 networks.")
        return False
    found = engine.search_networks(query, with_weights=which == WITH_WEIGHTS, here=which == HERE)
    if not found:
        st.caption("No network matches.")
    shown = [engine.network_facts(name, image_size) for name in found[:FEW]]
    for each in shown:
        _row(each, key, actions)
    if len(found) > FEW:
        st.caption(f"and {len(found) - FEW:,} more: type more of the name.")
    return any(each.pending for each in shown)


def _row(found: "engine.Facts", key: str, actions: Actions) -> None:
    words, buttons = st.columns([3, 2], vertical_alignment="center")
    lines = [line for line in (facts.line(found), facts.others(found)) if line]
    small = "  \n".join(f":small[{formatting.as_text(line)}]" for line in lines)
    words.markdown(f"**{formatting.as_text(found.name)}**  \n{small}")
    with buttons.container(horizontal=True, horizontal_alignment="right"):
        for label, take in actions(found).items():
            if st.button(label, key=f"take-{key}-{label}-{found.name}", on_click=take, args=(found.name,)):
                st.rerun()
