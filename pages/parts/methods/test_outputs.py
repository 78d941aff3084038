"""Shared by the figures of the method cards: a choice of networks, and their outputs on test images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.data import datasets
from kdcore.errors import UserError
from pages.parts import engine, formatting
from pages.parts.attention import networks

if TYPE_CHECKING:
    from kdcore.inspection.soft_labels import NetworkOutputs
    from pages.parts.attention.networks import Trio

CURVE = tuple(float(t) for t in np.geomspace(0.5, 20, 33))  # temperatures of a curve
TEMPERATURES = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20)  # on the slider


def choose() -> tuple[NetworkOutputs, float, str] | None:
    """Widgets for networks and temperature. Returns their outputs, the temperature, and a cache key of the networks.

    None where there are no networks or images; the reason is shown.
    """
    found = {key: trio for key, trio in networks.trios(networks.choices()).items() if {"teacher", "student"} <= set(trio.networks)}  # fmt: skip
    if not found:
        st.info("No teacher with a student: none is bundled, and no run has a checkpoint.")
        return None
    left, right = st.columns([2, 3], gap="large")
    first = next((name for name in datasets.names("drawn") if name in found), next(iter(found)))  # needs no download
    key = left.selectbox(
        "Networks", list(found), list(found).index(first),
        format_func=lambda k: title(found[k]), key="method-networks", persist_state="session", bind="query-params",
    )  # fmt: skip
    temperature = right.select_slider(
        "Temperature",
        TEMPERATURES,
        4,
        key="method-temperature",
        persist_state="session",
        bind="query-params",
    )
    try:
        with st.spinner("Running the networks on test images"):
            return run(found[key], version(found[key])), temperature, version(found[key])
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/image_not_supported:")
        return None


def title(trio: Trio) -> str:
    if trio.id in engine.store().ids():
        return f"Run {engine.store().state(trio.id).name} ({trio.id[:15]})"
    return f"{trio.title}, bundled"


def version(trio: Trio) -> str:
    """A cache key of the networks; a run's networks change with each checkpoint."""
    return f"{trio.id} {engine.store().checkpoint(trio.id) if trio.id in engine.store().ids() else ''}"


@st.cache_data(max_entries=6, show_spinner=False)
def run(_trio: Trio, version: str) -> NetworkOutputs:
    """Cached outputs of the networks on test images."""
    references = {role: choice.reference for role, choice in _trio.networks.items()}
    return engine.test_outputs(references)


@st.cache_data(max_entries=12, show_spinner=False)
def over_temperatures(what: str, _outputs: NetworkOutputs, version: str) -> dict[str, Any]:
    """A loss along `CURVE`: `over_temperatures` or `decoupled` of `kdcore.inspection.soft_labels`."""
    teacher, student = _outputs.logits["teacher"], _outputs.logits["student"]
    more = [_outputs.targets] if what == "decoupled" else []
    found: dict[str, Any] = getattr(engine.soft_labels(), what)(teacher, student, *more, CURVE)
    return found
