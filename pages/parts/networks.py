"""The door from the Attention page to the networks: which there are, which belong together, what one makes of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.parts import engine, palette

if TYPE_CHECKING:
    from kdcore.inspector import Choice, Inspection

GRAD_CAM = "grad_cam"  # the common map: every network can have it
TITLES = {"cifar10": "CIFAR-10", "cues": "Cues"}


@dataclass(frozen=True)
class Trio:
    """Networks that belong together: role -> network."""

    id: str
    title: str
    networks: dict[str, Choice]


@st.cache_resource
def inspector() -> Any:
    """The process's own; its module loads torch, which a page never does by itself."""
    from kdcore.inspector import Inspector

    return Inspector(engine.store())


def choices() -> list[Choice]:
    from kdcore import inspector

    return inspector.choices(engine.store())


def maps() -> dict[str, Any]:
    """Every map there is: name -> its card (title, one sentence, for which architectures, whether it takes a layer)."""
    from kdcore.explain import METHODS

    return METHODS


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    from kdcore import explain

    return explain.agreement(one, other)


def trios(found: list[Choice]) -> dict[str, Trio]:
    """The networks in their threes (or twos): `cifar10-teacher` with its kin, and those of a run."""
    grouped: dict[str, dict[str, Choice]] = {}
    for choice in found:
        key, role = family(choice.reference)
        grouped.setdefault(key, {})[role] = choice
    made = {}
    for key, networks in grouped.items():
        ordered = {role: networks[role] for role in palette.NETWORKS if role in networks}
        if ordered:
            made[key] = Trio(key, _title(key, next(iter(ordered.values()))), ordered)
    return made


def family(reference: str) -> tuple[str, str]:
    """What a network belongs to, and as what: `cues-twin` -> cues, twin; `run:ID/student` -> ID, student."""
    if reference.startswith("run:"):
        run_id, _, role = reference.removeprefix("run:").partition("/")
        return run_id, role or "student"
    key, _, role = reference.rpartition("-")
    return key, role


def _title(key: str, choice: Choice) -> str:
    return f"Run {key}" if choice.kind == "run" else TITLES.get(key, key)


def inspect(
    pixels: np.ndarray, digest: str, reference: str, method: str | None, layer: int | None, head: int | None
) -> Inspection:
    """What a network says of a photo, from memory where it was asked before.

    Args:
        digest: of the photo, which stands for its pixels in memory.
        method: None for the network's own map.

    Raises:
        ValueError: in plain words.
    """
    return _inspect(pixels, digest, reference, _version(reference), method, layer, head)


@st.cache_data(max_entries=60, show_spinner=False)
def _inspect(
    _pixels: np.ndarray,
    digest: str,
    reference: str,
    version: str,
    method: str | None,
    layer: int | None,
    head: int | None,
) -> Inspection:
    return inspector().inspect(_pixels, reference, method=method, layer=layer, head=head)


def _version(reference: str) -> str:
    """A run's network changes with each checkpoint."""
    if not reference.startswith("run:"):
        return ""
    return str(engine.store().checkpoint(family(reference)[0]))


def headed(chosen: list[Choice]) -> dict[str, Choice]:
    """Headings for networks chosen singly: their roles where these differ, else their titles."""
    roles = [family(choice.reference)[1] for choice in chosen]
    plain = len(set(roles)) == len(roles) and set(roles) <= set(palette.NETWORKS)
    return {(role.capitalize() if plain else choice.title): choice for role, choice in zip(roles, chosen, strict=True)}


def full_title(choice: Choice) -> str:
    """A title that no other network has: runs may share a name."""
    run_id = family(choice.reference)[0]
    return f"{choice.title} ({run_id[:15]} {run_id[-4:]})" if choice.kind == "run" else choice.title


def map_title(inspection: Inspection) -> str:
    """What a heatmap is: `Grad-CAM for cat`, `Class-token attention, layer 3 of 6, head 2`."""
    words = maps()[inspection.method].title + (f" for {inspection.target}" if inspection.target else "")
    if inspection.layers > 1:
        words += f", layer {(inspection.layers if inspection.layer is None else inspection.layer + 1)} of {inspection.layers}"
    if inspection.heads > 1:
        words += ", mean of heads" if inspection.head is None else f", head {inspection.head + 1} of {inspection.heads}"
    return words
