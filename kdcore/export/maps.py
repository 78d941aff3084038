"""The heatmaps of one run's networks, or of one network in several runs, for the component `run_maps`: all moments at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdcore.errors import UserError
from kdcore.export import packing, probes
from kdcore.results.comparison import NETWORKS
from kdcore.store import RunState, Store

MOST_IMAGES = 3
MOST_FRAMES = 40  # of a run


def gathered(store: Store, runs: Sequence[RunState], names: Sequence[str]) -> tuple[dict[str, Any] | None, list[str]]:
    """What the component draws, or None where there are no maps; and why runs are left out.

    One run: a column for each of its networks. Several: a column for each run's student; they must have the same images.
    """
    first: dict[str, np.ndarray] | None = None
    columns: list[_Column] = []
    left_out: list[str] = []
    for run, name in zip(runs, names, strict=True):
        try:
            frames = _frames(store, run)
        except UserError as error:
            left_out.append(f"{name}: {error}")
            continue
        if first is not None and not _alike(first, frames[0]):
            left_out.append(f"{name} has other pinned images, so that its maps cannot stand beside these.")
            continue
        first = frames[0] if first is None else first
        for network in [each for each in NETWORKS if each in frames[0]] if len(runs) == 1 else ["student"]:
            columns.append(_Column(network.capitalize() if len(runs) == 1 else name, network, run, frames))
    if first is None:
        return None, left_out
    most = packing.scale_for([packing.density(column.stacked(column.network)) for column in columns])
    return {
        "classes": runs[0].classes, "most": most, "packed": most, "shape": first["images"].shape[:3],
        "images": packing.base64_bytes(first["images"]), "targets": first["targets"].tolist(), "name": "",
        "network": "networks" if len(runs) == 1 else "student", "colour": "transparent",
        "last": max(run.epochs for run in runs), "runs": [column.plain(most) for column in columns],
    }, left_out  # fmt: skip


def _kept(run: RunState) -> list[int]:
    """Places of the probes that are drawn, evenly over the run."""
    count = len(run.probes)
    places: list[int] = np.unique(np.linspace(0, count - 1, min(MOST_FRAMES, count)).round().astype(int)).tolist()
    return places if count else []


def _frames(store: Store, run: RunState) -> list[dict[str, np.ndarray]]:
    """The arrays of the drawn probes, of at most MOST_IMAGES images. UserError where there are none, or one is damaged."""
    if len(run.probes) < 2:
        raise UserError("it has no heatmaps.")
    frames = [
        {key: values[:MOST_IMAGES] for key, values in probes.read(store, run, place).items()} for place in _kept(run)
    ]
    for key in frames[0].keys() - {"images", "targets"}:
        if any(key not in each or each[key].shape != frames[0][key].shape for each in frames):
            raise UserError("its heatmaps do not belong together.")
    return frames


def _alike(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in ("images", "targets")) and (
        one["student_probabilities"].shape[-1] == other["student_probabilities"].shape[-1]
    )


@dataclass(frozen=True)
class _Column:
    """A network of a run: its frames are those of the drawn probes."""

    title: str
    network: str
    run: RunState
    frames: list[dict[str, np.ndarray]]

    def stacked(self, key: str) -> np.ndarray:
        """[F, N, ...]"""
        return np.stack([each[key] for each in self.frames])

    def plain(self, most: int) -> dict[str, Any]:
        density = packing.density(self.stacked(self.network))
        likely = np.nan_to_num(self.stacked(f"{self.network}_probabilities").astype(np.float32))
        return {
            "title": self.title, "colour": "transparent", "grid": density.shape[-2:], "frames": len(density),
            "epochs": [round(float(self.run.probes[place]["epoch"]), 3) for place in _kept(self.run)],
            "maps": packing.packed(density, most), "answers": likely.argmax(-1).ravel().tolist(),
            "sure": (100 * likely.max(-1)).round().astype(int).ravel().tolist(),
        }  # fmt: skip
