"""What is known of a network before it is used: parameters, GFLOPs, and the state of its pretrained weights."""

from pathlib import Path
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
    """`25.6 M parameters, 8.2 GFLOPs at 224 px · weights a1_in1k can be downloaded from huggingface.co/timm/resnet50.a1_in1k (about
    102 MB, apache-2.0)`"""
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
    named = f"weights {weights.tag}".strip()
    if weights.size is not None:
        where = f", in {home(weights.file)}" if weights.file else ""
        return f"{named} are on this machine{where} ({formatting.disk(weights.size)}{licence})"
    cost = facts.cost
    about = (
        f"about {formatting.disk(FLOAT_BYTES * cost.parameters)}" if cost and cost.parameters else "size not known yet"
    )
    host = urlsplit(weights.source).hostname or "their library's host"
    if facts.downloading:
        return f"{named} are being downloaded ({about}{licence}) …"
    if facts.problem:
        return f"the download failed: {facts.problem.splitlines()[0].rstrip('.')}"
    if facts.reachable is None:
        return f"{named} are not on this machine ({about}{licence}); trying {host} …"
    if not facts.reachable:
        return f"{named} are not on this machine, and {host} cannot be reached"
    return f"{named} can be downloaded from {weights.source.partition('://')[2]} ({about}{licence})"


def home(file: str) -> str:
    """The folder of a file, with ~ for the user's own."""
    folder, own = str(Path(file).parent), str(Path.home())
    return f"~{folder[len(own) :]}" if folder.startswith(f"{own}/") else folder


def others(facts: "engine.Facts") -> str:
    """How to see a network's other weights; empty where it has no others, or these are named by their tag."""
    if facts.weights.tags < 2 or "." in facts.name:
        return ""
    return f"{facts.weights.tags} weights to choose from: search for {facts.name}."
