"""The networks of the Attention page, those that belong together, and cached inspections of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.data import datasets
from kdcore.recipe import imported_weights
from kdcore.recipe.references import LibraryNetwork, RunNetwork, WeightFile, parse
from pages.parts import engine, palette

if TYPE_CHECKING:
    from kdcore.inspection import (
        Affinity,
        Atlas,
        Choice,
        Controlled,
        Faithfulness,
        Inspection,
        Inspector,
        MapCard,
        OverTime,
    )


@dataclass(frozen=True)
class Trio:
    """Networks that belong together: role -> network."""

    id: str
    title: str
    networks: dict[str, Choice]


def inspector() -> Inspector:
    """The process's own."""
    return engine.inspector()


def choices() -> list[Choice]:
    """Every network that can be inspected."""
    return engine.choices()


def library_reference(name: str) -> str:
    """The reference of a library's network with its pretrained weights."""
    return str(LibraryNetwork(name))


def library_choice(name: str) -> Choice:
    """A library's network with its pretrained weights. Raises UserError where this visit may not use it."""
    return engine.library_choice(name)


def maps() -> dict[str, MapCard]:
    """Every map there is: name -> its card, in the order of listings."""
    from kdcore import inspection

    return inspection.map_cards()


def first_choice() -> str:
    """The map that a comparison starts with."""
    return next(name for name, card in maps().items() if card.first_choice)


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """The agreement of two maps [H, W]: metric -> value."""
    from kdcore import inspection

    return inspection.agreement(one, other)


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
    if isinstance(source := parse(reference), RunNetwork):
        return source.run_id, source.network
    key, _, role = reference.rpartition("-")
    return key, role


def _title(key: str, choice: Choice) -> str:
    return trio_title(key) if choice.kind == "run" else datasets.title(key)


def trio_title(run_id: str) -> str:
    """What the networks of a run are called, also in an address: `?networks=Run ID`."""
    return f"Run {run_id}"


def inspect(pixels: np.ndarray, digest: str, reference: str, **request: Any) -> Inspection:
    """A network's predictions and map for a photo; cached.

    Args:
        digest: of the photo, the key of the cache.
        request: the fields of a `kdcore.inspection.MapRequest`.

    Raises:
        UserError: as `Inspector.inspect`.
    """
    return _inspect(pixels, digest, reference, _version(reference), request)


@st.cache_data(max_entries=60, show_spinner=False)
def _inspect(_pixels: np.ndarray, digest: str, reference: str, version: str, request: dict[str, Any]) -> Inspection:
    return inspector().inspect(_pixels, reference, **request)


def affinity(pixels: np.ndarray, digest: str, reference: str, **place: Any) -> Affinity:
    """What every patch attends to or resembles; place: layer, depth, head."""
    return _affinity(pixels, digest, reference, _version(reference), place)


@st.cache_data(max_entries=60, show_spinner=False)
def _affinity(_pixels: np.ndarray, digest: str, reference: str, version: str, place: dict[str, Any]) -> Affinity:
    return inspector().affinity(_pixels, reference, **place)


def atlas(pixels: np.ndarray, digest: str, reference: str, **request: Any) -> Atlas:
    """The map at every layer and head."""
    return _atlas(pixels, digest, reference, _version(reference), request)


@st.cache_data(max_entries=24, show_spinner=False)
def _atlas(_pixels: np.ndarray, digest: str, reference: str, version: str, request: dict[str, Any]) -> Atlas:
    return inspector().atlas(_pixels, reference, **request)


def over_time(pixels: np.ndarray, digest: str, run_id: str, requests: dict[str, dict[str, Any]]) -> OverTime:
    """Maps and predictions of a run's networks over its steps; requests: role -> the fields of its `MapRequest`."""
    return _over_time(pixels, digest, run_id, _version(str(RunNetwork(run_id))), requests)


@st.cache_data(max_entries=12, show_spinner=False)
def _over_time(
    _pixels: np.ndarray, digest: str, run_id: str, version: str, requests: dict[str, dict[str, Any]]
) -> OverTime:
    return inspector().over_time(_pixels, run_id, requests)


def faithfulness(pixels: np.ndarray, digest: str, reference: str, **request: Any) -> Faithfulness:
    """Deletion and insertion along the map (the first row) and along a blob in the middle (the second)."""
    return _faithfulness(pixels, digest, reference, _version(reference), request)


@st.cache_data(max_entries=60, show_spinner=False)
def _faithfulness(
    _pixels: np.ndarray, digest: str, reference: str, version: str, request: dict[str, Any]
) -> Faithfulness:
    return inspector().faithfulness(_pixels, reference, **request)


def agreement_over(photos: dict[str, np.ndarray], student: str, teacher: str, **request: Any) -> dict[str, Controlled]:
    """The agreement of two networks' maps over photos (digest -> pixels), each metric beside its controls."""
    versions = (_version(student), _version(teacher))
    return _agreement_over(list(photos.values()), tuple(photos), student, teacher, versions, request)


@st.cache_data(max_entries=24, show_spinner=False)
def _agreement_over(
    _photos: list[np.ndarray],
    digests: tuple[str, ...],
    student: str,
    teacher: str,
    versions: tuple[str, str],
    request: dict[str, Any],
) -> dict[str, Controlled]:
    return inspector().agreement(_photos, student, teacher, **request)


def canonical(text: str) -> str:
    """A perturbation in its one spelling; "" where the words are not known."""
    from kdcore.inspection import perturbations

    return perturbations.canonical(text)


@st.cache_data(max_entries=24, show_spinner=False)
def perturbed(_pixels: np.ndarray, digest: str, text: str) -> np.ndarray:
    """The square of a photo that networks see, perturbed: uint8 [S, S, 3]."""
    from kdcore.inspection import perturbations

    return perturbations.perturbed(_pixels, text)


def perturbation_in_words(text: str) -> str:
    """`flipped, scrambled, 3 patches covered`; "" for none."""
    from kdcore.inspection import perturbations

    return perturbations.in_words(text)


def layer_weights(reference: str) -> list[tuple[str, tuple[float, ...]]]:
    """How each term of the network's run shared its weight among the teacher's layers at the last measurement."""
    source = parse(reference)
    if not isinstance(source, RunNetwork) or source.run_id not in engine.store().ids():
        return []
    last = {each["term"]: tuple(each["weights"]) for each in engine.store().state(source.run_id).layer_weights}
    return list(last.items())


def _version(reference: str) -> str:
    """A run's network changes with each checkpoint; imported weights may be others of the same name."""
    source = parse(reference)
    if isinstance(source, WeightFile):
        return next((each.version for each in imported_weights.listing() if each.reference == reference), "")
    return str(engine.store().checkpoint(source.run_id)) if isinstance(source, RunNetwork) else ""


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
    words = maps()[inspection.map_name].title + (f" for {inspection.target}" if inspection.target else "")
    words += f" rather than {inspection.against}" if inspection.against else ""
    if inspection.layers > 1:
        words += f", layer {(inspection.layers if inspection.layer is None else inspection.layer + 1)} of {inspection.layers}"
    if inspection.heads > 1:
        words += ", mean of heads" if inspection.head is None else f", head {inspection.head + 1} of {inspection.heads}"
    return words
