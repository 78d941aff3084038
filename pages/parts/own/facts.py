"""What is known of a network before it is used: parameters, GFLOPs, and the state of its pretrained weights."""

from urllib.parse import urlsplit

import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, formatting

POLL_SECONDS = 0.5
FLOAT_BYTES = 4


def show(name: str | None, image_size: int | None, key: str, *, pretrained: bool = True) -> None:
    """A line on a network below its field, redrawn until all is known; nothing for an unknown name, which the form refuses.

    image_size: of the images that it will get, in pixels. pretrained: whether its pretrained weights are wanted.
    """
    if not name:
        return
    try:
        pending = engine.network_facts(name, image_size).pending
    except UserError:
        return

    def draw() -> None:
        facts = engine.network_facts(name, image_size)
        st.caption(formatting.as_text(line(facts, pretrained=pretrained)))
        if pending and not facts.pending:
            st.rerun()  # once, without the timer

    st.fragment(draw, run_every=POLL_SECONDS if pending else None)()


def line(facts: "engine.Facts", *, pretrained: bool = True) -> str:
    """`25.6 M parameters, 8.2 GFLOPs at 224 px · weights can be downloaded (about 102 MB, apache-2.0)`"""
    cost = facts.cost
    if cost is None:
        size = "counting parameters …"
    elif cost.problem:
        size = cost.problem.rstrip(".")
    else:
        size = f"{formatting.count(cost.parameters)} parameters, {cost.flops / 1e9:.3g} GFLOPs at {cost.image_size} px"
    return f"{size} · {state(facts)}" if pretrained else size


def state(facts: "engine.Facts") -> str:
    """The state of a network's pretrained weights."""
    weights = facts.weights
    if not weights.there:
        return "no pretrained weights: random ones only"
    licence = f", {weights.licence}" if weights.licence else ""
    if weights.size is not None:
        return f"weights are on this machine ({formatting.disk(weights.size)}{licence})"
    cost = facts.cost
    about = (
        f"about {formatting.disk(FLOAT_BYTES * cost.parameters)}" if cost and cost.parameters else "size not known yet"
    )
    host = urlsplit(weights.source).hostname or "their library's host"
    if facts.downloading:
        return f"weights are being downloaded ({about}{licence}) …"
    if facts.problem:
        return f"the download failed: {facts.problem.splitlines()[0].rstrip('.')}"
    if facts.reachable is None:
        return f"weights are not on this machine ({about}{licence}); trying {host} …"
    if not facts.reachable:
        return f"weights are not on this machine, and {host} cannot be reached"
    return f"weights can be downloaded ({about}{licence})"
