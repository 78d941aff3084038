"""A finished run replayed in the browser: curves and the maps of pinned images on one scrubber.

All data is sent once; playing, scrubbing and hovering need no request to the server.
"""

from typing import Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.store import RunState, Store
from pages.parts import formatting, palette
from pages.parts.components import pictures
from pages.parts.components.loading import component
from pages.parts.runs import probe_maps as maps_of

MAX_IMAGES = 3
MAX_FRAMES = 60

_component = component("replay")


def replay(store: Store, run_id: str) -> None:
    """Draw the replay of a run that `can_replay`, or report what is damaged."""
    try:
        data = _data(store, run_id, store.version(run_id))
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/broken_image:")
        return
    draw(data, key="replay")
    if left_out := data["left_out"]:
        st.caption(f"{left_out} {'epoch is' if left_out == 1 else 'epochs are'} omitted: the files are damaged.")


def draw(data: dict[str, Any], key: str) -> None:
    """Draw data as `_data` makes it of a run's probes; the Attention page makes it of a photo."""
    _component(key=key, data=data)


def can_replay(state: RunState) -> bool:
    return len(state.probes) > 1 and state.steps > 0


@st.cache_data(max_entries=4, show_spinner=False)
def _data(_store: Store, run_id: str, version: int) -> dict[str, Any]:
    """What the browser draws, without the `left_out` probes whose files are damaged. UserError if too few are left."""
    state, series = _store.state(run_id), _store.series(run_id)
    kept = np.unique(np.linspace(0, len(state.probes) - 1, min(MAX_FRAMES, len(state.probes))).round().astype(int))
    first = maps_of.read(_store, state, 0)
    there = {int(i): probe for i in kept if (probe := _like(first, _store, state, int(i)))}
    probes = list(there.values())
    if len(probes) < 2:
        raise UserError("This run cannot be replayed: nearly all of its maps are damaged.")
    images, targets = first["images"][:MAX_IMAGES], first["targets"][:MAX_IMAGES]

    maps = {name: _frames(probes, name) for name in palette.NETWORKS if name in first}
    predictions = {name: _frames(probes, f"{name}_probabilities") for name in maps}
    densities = {name: pictures.density(values) for name, values in maps.items()}
    most = pictures.scale_for(list(densities.values()))
    return {
        "left_out": len(kept) - len(there),
        "classes": state.classes,
        "epochs": [round(state.probes[i]["epoch"], 3) for i in there],
        "most": most,
        "missing": any(np.isnan(values).any() for values in maps.values()),
        "shape": images.shape[:3],
        "images": pictures.base64_bytes(images),
        "targets": targets.tolist(),
        "networks": [_network(name, densities[name], predictions[name], most) for name in maps],
        "curves": _curves(state, series),
        "curves_title": "Accuracy on validation images",
        "name": "",
        "in_address": False,  # the epoch that the scrubber rests on
    }


def _network(name: str, densities: np.ndarray, probabilities: np.ndarray, most: int) -> dict[str, Any]:
    """A network's maps and predictions; a single frame if they never change, as those of a frozen teacher."""
    if _is_still(densities) and _is_still(probabilities):
        densities, probabilities = densities[:1], probabilities[:1]
    probabilities = np.nan_to_num(probabilities)
    return {
        **named(name),
        "grid": densities.shape[-2:],
        "frames": len(densities),
        "maps": pictures.packed(densities, most),
        "answers": pictures.base64_bytes(probabilities.argmax(-1)),
        "sure": pictures.base64_bytes((100 * probabilities.max(-1)).round()),
    }


def _like(first: dict[str, np.ndarray], store: Store, state: RunState, place: int) -> dict[str, np.ndarray] | None:
    """A probe of the same networks and images as the first; None where its file is damaged."""
    try:
        probe = maps_of.read(store, state, place)
    except UserError:
        return None
    shared = [name for name in first if name not in ("images", "targets")]
    same = all(name in probe and probe[name].shape == first[name].shape for name in shared)
    return probe if same else None


def _curves(state: RunState, series: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """Accuracy over epochs of student and twin, and the teacher's level."""
    epochs_per_step = state.epochs / state.steps
    curves = []
    for name in ("student", "twin"):
        if f"top1/{name}" in series:
            steps, values = series[f"top1/{name}"]
            points = np.stack([steps * epochs_per_step, values], axis=1)
            curves.append({**named(name), "points": points[np.isfinite(values)].round(4).tolist()})
    if "top1" in state.teacher:
        curves.append({**named("teacher"), "level": state.teacher["top1"], "points": []})
    return curves


def _frames(probes: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    """[frames, images, ...] of an array that each probe has."""
    return np.stack([probe[name][:MAX_IMAGES] for probe in probes]).astype(np.float32)


def _is_still(frames: np.ndarray) -> bool:
    return bool(np.nanmax(np.ptp(np.nan_to_num(frames), axis=0)) < 1e-3 * np.nanmax(frames, initial=1e-6))


def named(name: str) -> dict[str, str]:
    return {"name": name, "title": name.capitalize(), "colour": pictures.colour(name)}
