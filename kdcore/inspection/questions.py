"""What is asked of a network about a photo, and what it answers."""

from dataclasses import dataclass, field

import numpy as np

from kdcore.errors import UserError


@dataclass(frozen=True)
class Question:
    """What is asked, of any network.

    method: a name in `explain.METHODS`; the network's own map unless said, with layer and head where it has them.
    layer, head: for the methods that take them, from 0.
    depth: instead of a layer, from 0 (the first) to 1 (the last), so that networks with unlike many layers show the same.
    target: the class to explain, by its name or place; the one that the network names unless said.
    against: a class whose score is subtracted: what speaks for `target` rather than for it.
    query: (row, column) of a patch on the network's grid, for maps that ask about one; the middle unless said.
    """

    method: str | None = None
    layer: int | None = None
    depth: float | None = None
    head: int | None = None
    target: int | str | None = None
    against: int | str | None = None
    query: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.layer is not None and self.depth is not None:
            raise UserError("Say a layer, or a depth that each network's layer is found by, not both.")
        if self.depth is not None and not 0 <= self.depth <= 1:
            raise UserError(f"A depth goes from 0, the first layer, to 1, the last; not {self.depth:g}.")


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a network says of a photo, and where it looked.

    photo: uint8 [S, S, 3], the square of the photo that the network saw, at display size.
    heatmap: float32 [H, W] on the network's own grid, sum 1; NaN where `problem` says why there is none.
    predictions: the most probable classes with their probabilities, five at most.
    target, against: the class that the map explains, and the one that it is set against; empty where there is none.
    layers, heads: how many there are to choose from for this method, 0 where it takes none.
    methods: every map that this network can have -> its (layers, heads).
    """

    reference: str
    title: str
    photo: np.ndarray
    heatmap: np.ndarray
    method: str
    predictions: list[tuple[str, float]]
    target: str
    layer: int | None
    head: int | None
    layers: int
    heads: int
    methods: dict[str, tuple[int, int]]
    classes: tuple[str, ...]
    seconds: float  # of the photo's share of the work, loading the model not counted
    problem: str = ""
    against: str = ""

    @property
    def grid(self) -> tuple[int, int]:
        return self.heatmap.shape[0], self.heatmap.shape[1]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several networks on one photo; `agreement` is that of each two maps, as `explain.agreement` gives it."""

    inspections: list[Inspection]
    agreement: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Affinity:
    """What every patch attends to (`attends`) or resembles: float32 [N, N] on a grid of at most 14 x 14, N its cells.

    layer, head: which it is, from 0; None for the last layer and the mean of the heads.
    """

    values: np.ndarray
    grid: tuple[int, int]
    attends: bool
    layer: int | None
    head: int | None


@dataclass(frozen=True, eq=False)
class Course:
    """What one network of a run made of a photo along the way; a teacher, which does not change, at one moment alone.

    heatmaps: float32 [T, H, W], each of sum 1; NaN where there is none.
    probabilities: float32 [T, K], in the order of `classes`.
    """

    method: str
    heatmaps: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OverTime:
    """A photo through the history of a run.

    photo: uint8 [S, S, 3], the square that the networks saw.
    steps, epochs: [T], the moments, from the run's start to the last that was kept.
    courses: network -> what it made of the photo.
    """

    photo: np.ndarray
    steps: list[int]
    epochs: list[float]
    courses: dict[str, Course]


@dataclass(frozen=True, eq=False)
class Atlas:
    """A method at every layer and head of a network.

    maps: a float32 [heads, H, W] a layer, NaN where there is none; `entropy` [layers][heads] of each, from 0 (one cell)
    to 1 (everywhere alike).
    """

    method: str
    maps: list[np.ndarray]
    entropy: list[list[float]]
