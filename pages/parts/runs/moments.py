"""What a run shows at each moment, for its replay: accuracy, heatmaps of the pinned images, and changes by a user.

The browser gets it with the page, and of an active run each second what is new: see `since`.
"""

from typing import Any

import numpy as np
import streamlit as st

from kdcore.checks.findings import LEAST_SEEN
from kdcore.errors import UserError
from kdcore.export import probes
from kdcore.export.curves import marks as changed_settings
from kdcore.recipe import Recipe
from kdcore.runtime.once import once
from kdcore.store import ACTIVE, RunState, Store
from pages.parts import formatting, palette
from pages.parts.components import pictures
from pages.parts.components.replay import replay
from pages.parts.roles import role
from pages.parts.runs import adjustments

MAX_IMAGES = 3
MAX_FRAMES = 60
MAX_POINTS = 400  # of a curve
SMOOTHING = 0.9  # of the accuracy on training images, where there are no validation images
WORDS = {
    "queued": "Queued: starts when the current run ends.",
    "created": "Preparing.",
    "preparing": "Preparing.",
    "running": "The first step is running.",
    "paused": "Paused before the first step.",
}
Series = dict[str, tuple[np.ndarray, np.ndarray]]


def show(store: Store, run: RunState, *, stage: bool = False, plays: bool = False) -> None:
    """Draw a run's curves and maps; an active run's update themselves.

    stage: as high as the window allows, with the epoch in the address. plays: from the first epoch on, at once.
    """
    data = of_run(store, run.id, store.version(run.id), run.status)
    own = {"stage": stage, "plays": plays, "in_address": stage, "knobs": role.is_operator()}
    replay.draw(data | own, key="replay")
    if trouble := data["trouble"]:
        st.warning(formatting.message(trouble), icon=":material/broken_image:")
    if left_out := data["left_out"]:
        st.caption(f"{left_out} {'epoch is' if left_out == 1 else 'epochs are'} omitted: the files are damaged.")


def can_replay(state: RunState) -> bool:
    """Whether there are maps of several epochs, and a recipe that can be read."""
    return len(state.probes) > 1 and state.steps > 0 and bool(state.settings)


@once(maxsize=32)
def of_run(store: Store, run_id: str, version: int, status: str, since: int = -1) -> dict[str, Any]:
    """Plain data of a run at a version of its events.

    since: the last probe that the browser has; maps of later ones are sent. Everything where it has none, or where the run
        has fewer, since it was resumed from a checkpoint.
    """
    run, series, recipe = store.state(run_id), store.series(run_id), store.recipe(run_id)
    since = since if since < len(run.probes) else -1
    data = {
        "id": run_id,
        "version": f"{version} {status}",
        "since": since,
        "active": status in ACTIVE,
        "words": words(run),
        "end": run.epochs or recipe.epochs,
        "now": round(min(run.epoch, run.epochs), 4),
        "classes": run.classes,
        "curves_title": title(recipe, run),
        "curves": curves(recipe, run, series),
        "settings": adjustments.values(run, recipe),
        "marks": [[round(epoch, 3), text] for epoch, text in marks(store, run)],
        "name": "",
        "packed": replay.PACKED,
    }
    try:
        return data | maps(store, run, since) | {"trouble": ""}
    except UserError as error:
        return data | NO_MAPS | {"trouble": str(error)}


def words(run: RunState) -> str:
    """The message where there is nothing to draw yet."""
    if run.step or (run.steps and run.probes):
        return ""
    note = run.notes[-1]["text"] if run.notes and run.status in ("created", "preparing") else ""
    return note or WORDS.get(run.status, "It ended before the first step.")


def title(recipe: Recipe, run: RunState) -> str:
    if not recipe.data.validation:
        return "Accuracy on training images, smoothed"
    seen = run.teacher.get("seen") or 0.0
    more = f"; the teacher was trained on {formatting.percent(seen, 0)} of them" if seen >= LEAST_SEEN else ""
    return f"Accuracy on validation images{more}"


def curves(recipe: Recipe, run: RunState, series: Series) -> list[dict[str, Any]]:
    """Accuracy over the epochs. points: the full evaluations. sample: of a few images or of the training batches, drawn faint."""
    found = []
    for name in ("student", "twin"):
        points = in_epochs(run, series.get(f"top1/{name}"))
        sample = in_epochs(run, series.get(f"sample_top1/{name}"))
        if not recipe.data.validation:
            sample = in_epochs(run, smoothed(series.get(f"train_top1/{name}")))
        if points or sample:
            found.append({**replay.named(name), "points": points, "sample": sample})
    if "top1" in run.teacher:
        found.append({**replay.named("teacher"), "level": run.teacher["top1"], "points": [], "sample": []})
    return found


def marks(store: Store, run: RunState) -> list[tuple[float, str]]:
    """(epoch, words) wherever a setting changed."""
    if not run.steps:
        return []
    return [(step * run.epochs / run.steps, text) for step, text in changed_settings(store, run)]


def in_epochs(run: RunState, found: tuple[np.ndarray, np.ndarray] | None) -> list[list[float]]:
    """[epoch, value] of a series, at most MAX_POINTS of them."""
    if found is None or not run.steps:
        return []
    steps, values = found
    there = np.flatnonzero(np.isfinite(values))
    if len(there) > MAX_POINTS:
        there = there[np.unique(np.linspace(0, len(there) - 1, MAX_POINTS).round().astype(int))]
    points: list[list[float]] = (
        np.stack([steps[there] * run.epochs / run.steps, values[there]], axis=1).round(4).tolist()
    )
    return points


def smoothed(found: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray] | None:
    """An exponential moving average, without its bias towards 0 at the start."""
    if found is None:
        return None
    there = np.isfinite(found[1])
    steps, values = found[0][there], found[1][there]
    total, weight, averages = 0.0, 0.0, []
    for value in values.tolist():
        total, weight = SMOOTHING * total + value, SMOOTHING * weight + 1
        averages.append(total / weight)
    return steps, np.array(averages)


NO_MAPS: dict[str, Any] = {
    "left_out": 0, "places": [], "epochs": [], "most": 2, "missing": False, "shape": [0, 0, 0], "images": "", "targets": [],
    "networks": [],
}  # fmt: skip


def maps(store: Store, run: RunState, since: int) -> dict[str, Any]:
    """The maps of the pinned images; `left_out` probes are damaged. UserError if nearly all of them are, or the first."""
    if not run.probes:
        return NO_MAPS
    first = frame(store, run.id, 0, run.probes[0]["file"])
    wanted = kept_places(len(run.probes))
    there = {place: found for place in wanted if (found := _like(first, store, run, place)) is not None}
    if len(there) < min(2, len(wanted)):
        raise UserError("The heatmaps of this run cannot be shown: nearly all of their files are damaged.")
    images, targets = first["images"], first["targets"]
    names = [name for name in palette.NETWORKS if name in first]
    most = pictures.scale_for([np.stack([each[name] for each in there.values()]) for name in names])
    new = [found for place, found in there.items() if place > since]
    return {
        "left_out": len(wanted) - len(there),
        "places": list(there),
        "epochs": [round(run.probes[place]["epoch"], 3) for place in there],
        "most": most,
        "missing": any(not each[f"{name}_whole"] for each in there.values() for name in names),
        "shape": images.shape[:3],
        "images": pictures.base64_bytes(images) if since < 0 else "",
        "targets": targets.tolist(),
        "networks": [network(name, first, new) for name in names],
    }


def network(name: str, first: dict[str, np.ndarray], new: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """A network's new frames; of the teacher, which is frozen, the first frame alone."""
    still = name == "teacher"
    frames = [first] if still else new
    shape = first[name].shape
    densities = np.stack([each[name] for each in frames]) if frames else np.zeros((0, *shape))
    probabilities = [each[f"{name}_probabilities"] for each in frames]
    stacked = np.stack(probabilities) if frames else np.zeros((0, shape[0], 1))
    return replay.network(name, densities, stacked, still=still)


def kept_places(count: int) -> list[int]:
    """Which of so many probes are sent: every first, second, fourth, ..., and the newest. What a browser has of an earlier,
    denser choice is enough for a later one."""
    stride = 1
    while -(-count // stride) > MAX_FRAMES:
        stride *= 2
    return sorted({*range(0, count, stride), count - 1})


@once(maxsize=1024)
def frame(store: Store, run_id: str, place: int, file: str) -> dict[str, np.ndarray]:
    """A probe's densities (see `pictures.density`) and probabilities per network; the first one also has the images."""
    found = probes.read(store, store.state(run_id), place)
    kept = {name: found[name][:MAX_IMAGES] for name in ("images", "targets") if name in found}
    for name in palette.NETWORKS:
        if name in found:
            values = found[name][:MAX_IMAGES].astype(np.float32)
            kept[name], kept[f"{name}_whole"] = pictures.density(values), np.array(np.isfinite(values).all())
            kept[f"{name}_probabilities"] = found[f"{name}_probabilities"][:MAX_IMAGES].astype(np.float32)
    return kept


def _like(first: dict[str, np.ndarray], store: Store, run: RunState, place: int) -> dict[str, np.ndarray] | None:
    """A probe of the same networks and images as the first; None where its file is damaged."""
    try:
        found = frame(store, run.id, place, run.probes[place]["file"])
    except UserError:
        return None
    shared = [name for name in first if name not in ("images", "targets")]
    return found if all(name in found and found[name].shape == first[name].shape for name in shared) else None
