"""Maps of several runs side by side: the same pinned images at the same epoch, on one slider and the page's cursor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from kdcore.export import probes
from kdcore.store import RunState, Store
from pages.parts import formatting
from pages.parts.components import pictures
from pages.parts.components.loading import component

MOST_RUNS = 6  # side by side
MOST_IMAGES = 3
MOST_FRAMES = 40  # of a run

_component = component("run_maps")


def run_maps(store: Store, runs: Sequence[RunState], names: dict[str, str]) -> None:
    """Draw the maps of runs with at least two probes each, and say which runs are left out."""
    if len(runs) < 2:
        return
    st.subheader("Where the networks look", anchor=False)
    there = [name for name in ("student", "twin", "teacher") if all(_has(store, run, name) for run in runs[:MOST_RUNS])]
    network = "student"
    if len(there) > 1:
        network = st.segmented_control(
            "Maps of",
            there,
            default=there[0],
            format_func=str.capitalize,
            required=True,
            key="maps-of",
            bind="query-params",
        )
    data, left_out = gathered(store, runs, names, network or "student")
    if len(data["runs"]) > 1:
        _component(key="run-maps", data=data)
    for words in left_out:
        st.caption(formatting.as_text(words))


def _has(store: Store, run: RunState, network: str) -> bool:
    try:
        return network in probes.read(store, run, 0)
    except UserError:
        return True  # the reason is shown below


def gathered(
    store: Store, runs: Sequence[RunState], names: dict[str, str], network: str
) -> tuple[dict[str, Any], list[str]]:
    """What the browser draws, and the runs that are left out with the reason."""
    first: dict[str, np.ndarray] | None = None
    frames, left_out, classes = [], [], ()
    for run in runs[:MOST_RUNS]:
        try:
            start, found = _frames(store, run, network)
        except UserError as error:
            left_out.append(f"{names[run.id]}: {error}")
            continue
        if first is None:
            first, classes = start, run.classes
        elif run.classes != classes or not _same_images(first, start):
            left_out.append(f"{names[run.id]} has other pinned images, so that its maps cannot stand beside these.")
            continue
        frames.append((run, *found))
    if len(runs) > MOST_RUNS:
        left_out.append(f"Maps of the first {MOST_RUNS} of {len(runs)} runs; select fewer to see others.")
    if first is None:
        return {"runs": []}, left_out
    most = pictures.scale_for([density for _, _, density, _ in frames])
    images = first["images"][:MOST_IMAGES]
    return {
        "classes": classes,
        "most": most,
        "packed": most,
        "shape": images.shape[:3],
        "images": pictures.base64_bytes(images),
        "targets": first["targets"][:MOST_IMAGES].tolist(),
        "name": "",
        "network": network,
        "colour": pictures.colour(network),
        "last": max(run.epochs for run, *_ in frames),
        "runs": [_plain(names[run.id], *found, most) for run, *found in frames],
    }, left_out


def _same_images(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name][:MOST_IMAGES], other[name][:MOST_IMAGES]) for name in ("images", "targets"))


def _frames(
    store: Store, run: RunState, network: str
) -> tuple[dict[str, np.ndarray], tuple[list[float], np.ndarray, np.ndarray]]:
    """A run's first probe, and the epochs, densities [F, N, H, W] and probabilities [F, N, K] of some of them. UserError where
    the network has no maps."""
    count = len(run.probes)
    kept = np.unique(np.linspace(0, count - 1, min(MOST_FRAMES, count)).round().astype(int)).tolist()
    first = probes.read(store, run, 0)
    if network not in first:
        raise UserError(f"it has no maps of the {network}.")
    epochs, maps, probabilities = [], [], []
    for place in kept:
        probe = probes.read(store, run, place)
        if network in probe and probe[network].shape == first[network].shape:
            epochs.append(round(float(run.probes[place]["epoch"]), 3))
            maps.append(probe[network][:MOST_IMAGES])
            probabilities.append(probe[f"{network}_probabilities"][:MOST_IMAGES])
    density = pictures.density(np.stack(maps).astype(np.float32))
    return first, (epochs, density, np.nan_to_num(np.stack(probabilities).astype(np.float32)))


def _plain(
    title: str, epochs: list[float], density: np.ndarray, probabilities: np.ndarray, most: int
) -> dict[str, Any]:
    return {
        "title": title,
        "colour": "transparent",
        "epochs": epochs,
        "grid": density.shape[-2:],
        "frames": len(density),
        "maps": pictures.packed(density, most),
        "answers": probabilities.argmax(-1).ravel().tolist(),
        "sure": (100 * probabilities.max(-1)).round().astype(int).ravel().tolist(),
    }
