"""The door from the Attention page to the networks: which there are, which belong together, what one makes of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import engine, palette

if TYPE_CHECKING:
    from kdcore.explain.quality.agreement import Controlled
    from kdcore.explain.quality.faithfulness import Faithfulness
    from kdcore.inspection import Affinity, Atlas, Choice, Inspection, OverTime

COMMON = "hires_cam"  # the map to begin with: every network can have it, and of those it follows the answers best
COUNTERPARTS = {  # what a network without a class token shows where the others show a map of its attention
    "cls_attention": "activation_energy", "rollout": "activation_energy", "gradient_rollout": COMMON,
    "relevance": COMMON, "patch_attention": "self_similarity",
}  # fmt: skip
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
    from kdcore.inspection import Inspector

    return Inspector(engine.store())


def choices() -> list[Choice]:
    from kdcore import inspection as inspector

    return inspector.choices(engine.store())


def maps() -> dict[str, Any]:
    """Every map there is: name -> its card (title, one sentence, for which architectures, whether it takes a layer)."""
    from kdcore.explain import METHODS

    return METHODS


def method_for(choice: Choice, method: str | None) -> str | None:
    """The map that a network shows where this one is chosen."""
    if method in COUNTERPARTS and choice.architecture != "vit":
        return COUNTERPARTS[method]
    return method


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


def inspect(pixels: np.ndarray, digest: str, reference: str, **asked: Any) -> Inspection:
    """What a network says of a photo, from memory where it was asked before.

    Args:
        digest: of the photo, which stands for its pixels in memory.
        asked: as in `kdcore.inspection.Question`.

    Raises:
        ValueError: in plain words.
    """
    return _inspect(pixels, digest, reference, _version(reference), asked)


@st.cache_data(max_entries=60, show_spinner=False)
def _inspect(_pixels: np.ndarray, digest: str, reference: str, version: str, asked: dict[str, Any]) -> Inspection:
    return inspector().inspect(_pixels, reference, **asked)


def affinity(pixels: np.ndarray, digest: str, reference: str, **asked: Any) -> Affinity:
    """What every patch attends to or resembles; asked: layer, depth, head."""
    return _affinity(pixels, digest, reference, _version(reference), asked)


@st.cache_data(max_entries=60, show_spinner=False)
def _affinity(_pixels: np.ndarray, digest: str, reference: str, version: str, asked: dict[str, Any]) -> Affinity:
    return inspector().affinity(_pixels, reference, **asked)


def atlas(pixels: np.ndarray, digest: str, reference: str, **asked: Any) -> Atlas:
    """The map at every layer and head."""
    return _atlas(pixels, digest, reference, _version(reference), asked)


@st.cache_data(max_entries=24, show_spinner=False)
def _atlas(_pixels: np.ndarray, digest: str, reference: str, version: str, asked: dict[str, Any]) -> Atlas:
    return inspector().atlas(_pixels, reference, **asked)


def over_time(pixels: np.ndarray, digest: str, run_id: str, questions: dict[str, dict[str, Any]]) -> OverTime:
    """What the networks of a run (role -> what is asked of it) made of a photo along the way."""
    return _over_time(pixels, digest, run_id, _version(f"run:{run_id}/student"), questions)


@st.cache_data(max_entries=12, show_spinner=False)
def _over_time(
    _pixels: np.ndarray, digest: str, run_id: str, version: str, questions: dict[str, dict[str, Any]]
) -> OverTime:
    return inspector().over_time(_pixels, run_id, questions)


def faithfulness(pixels: np.ndarray, digest: str, reference: str, **asked: Any) -> Faithfulness:
    """Deletion and insertion along the map (the first row) and along a blob in the middle (the second)."""
    return _faithfulness(pixels, digest, reference, _version(reference), asked)


@st.cache_data(max_entries=60, show_spinner=False)
def _faithfulness(
    _pixels: np.ndarray, digest: str, reference: str, version: str, asked: dict[str, Any]
) -> Faithfulness:
    return inspector().faithfulness(_pixels, reference, **asked)


def agreement_over(photos: dict[str, np.ndarray], ours: str, theirs: str, **asked: Any) -> dict[str, Controlled]:
    """How far two networks' maps agree over photos (digest -> pixels), each figure beside its controls."""
    versions = (_version(ours), _version(theirs))
    return _agreement_over(list(photos.values()), tuple(photos), ours, theirs, versions, asked)


@st.cache_data(max_entries=24, show_spinner=False)
def _agreement_over(
    _photos: list[np.ndarray],
    digests: tuple[str, ...],
    ours: str,
    theirs: str,
    versions: tuple[str, str],
    asked: dict[str, Any],
) -> dict[str, Controlled]:
    return inspector().agreement(_photos, ours, theirs, **asked)


def poke_as_asked(text: str) -> str:
    """What is to be done to a photo, in its one spelling; nothing where the words are not known."""
    from kdcore.explain import perturb

    try:
        return str(perturb.parse(text[:2000]))
    except UserError:
        return ""


@st.cache_data(max_entries=24, show_spinner=False)
def poked(_pixels: np.ndarray, digest: str, text: str) -> np.ndarray:
    """The square of a photo that networks see, with that done to it: uint8 [S, S, 3]."""
    from kdcore.explain import perturb
    from kdcore.inspection import DISPLAY, square

    shown = square(_pixels)
    if shown.size[0] < DISPLAY:  # so that a patch has enough pixels to be blurred
        shown = shown.resize((DISPLAY, DISPLAY))
    changed = perturb.poked(np.asarray(shown, dtype=np.float32) / 255, perturb.parse(text))
    return np.asarray(np.rint(255 * changed.clip(0, 1)), dtype=np.uint8)


def poke_in_words(text: str) -> str:
    """`flipped, scrambled, 3 patches covered`; empty for nothing."""
    from kdcore.explain import perturb

    done = perturb.parse(text)
    words = [
        word
        for word, on in (("flipped", done.flip), ("shifted", done.right or done.down), ("scrambled", done.scramble))
        if on
    ]
    for count, what in ((len(done.cover), "covered"), (len(done.blur), "blurred")):
        words += [f"{count} {'patch' if count == 1 else 'patches'} {what}"] if count else []
    return ", ".join(words)


def layer_weights(reference: str) -> list[tuple[str, tuple[float, ...]]]:
    """How each term of the network's run shared its weight among the teacher's layers at the last count."""
    run_id = family(reference)[0]
    if not reference.startswith("run:") or run_id not in engine.store().ids():
        return []
    last = {each["term"]: tuple(each["weights"]) for each in engine.store().state(run_id).layer_weights}
    return list(last.items())


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
    words += f" rather than {inspection.against}" if inspection.against else ""
    if inspection.layers > 1:
        words += f", layer {(inspection.layers if inspection.layer is None else inspection.layer + 1)} of {inspection.layers}"
    if inspection.heads > 1:
        words += ", mean of heads" if inspection.head is None else f", head {inspection.head + 1} of {inspection.heads}"
    return words
