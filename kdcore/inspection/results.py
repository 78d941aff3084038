"""The results of inspecting a photo: maps and predictions, as numpy arrays and plain data."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Inspection:
    """The predictions and the heatmap of one network for a photo.

    photo: uint8 [S, S, 3], the square of the photo that the network saw, at display size.
    heatmap: float32 [H, W] on the network's own grid, sum 1; NaN where there is none; `problem` is the reason.
    predictions: the most probable classes with their probabilities, five at most.
    target, against: the class that the map explains, and the one whose score is subtracted; empty where there is none.
    layers, heads: how many the map can be taken of, 0 where it takes none.
    maps: every map that this network has -> its (layers, heads).
    instead_of: the requested map, where the network does not have it and this is its counterpart; lacking: why.
    """

    reference: str
    title: str
    photo: np.ndarray
    heatmap: np.ndarray
    map_name: str
    predictions: list[tuple[str, float]]
    target: str
    layer: int | None
    head: int | None
    layers: int
    heads: int
    maps: dict[str, tuple[int, int]]
    classes: tuple[str, ...]
    seconds: float  # of the photo's share of the work, loading the model not counted
    problem: str = ""
    against: str = ""
    instead_of: str = ""
    lacking: str = ""

    @property
    def grid(self) -> tuple[int, int]:
        return self.heatmap.shape[0], self.heatmap.shape[1]


@dataclass(frozen=True, eq=False)
class Glance:
    """The most probable class of one network for a camera's frame, its probability, and the map.

    heatmap, problem: as of an `Inspection`.
    """

    reference: str
    map_name: str
    heatmap: np.ndarray
    prediction: str
    probability: float
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several networks on one photo; `agreement` is that of each two maps, as `agreement` of `kdcore.explain` gives it."""

    inspections: list[Inspection]
    agreement: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Affinity:
    """What every patch attends to (`attends`) or resembles: float32 [N, N] on a grid of at most 14 x 14, N its cells.

    layer, head: from 0; None for the last layer and the mean of the heads.
    """

    values: np.ndarray
    grid: tuple[int, int]
    attends: bool
    layer: int | None
    head: int | None


@dataclass(frozen=True, eq=False)
class Course:
    """The maps and predictions of one network over the steps of a run; of a teacher, which does not change, at one step.

    heatmaps: float32 [T, H, W], each of sum 1; NaN where there is none.
    probabilities: float32 [T, K], in the order of `classes`.
    """

    map_name: str
    heatmaps: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OverTime:
    """A photo over the steps of a run.

    photo: uint8 [S, S, 3], the square that the networks saw.
    steps, epochs: [T], the moments, from the start of the run to its newest checkpoint.
    courses: network -> its maps and predictions.
    """

    photo: np.ndarray
    steps: list[int]
    epochs: list[float]
    courses: dict[str, Course]


@dataclass(frozen=True, eq=False)
class Atlas:
    """A map at every layer and head of a network.

    maps: a float32 [heads, H, W] a layer, NaN where there is none; `entropy` [layers][heads] of each, from 0 (one cell)
    to 1 (uniform).
    """

    map_name: str
    maps: list[np.ndarray]
    entropy: list[list[float]]
