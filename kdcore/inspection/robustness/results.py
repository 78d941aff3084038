"""What the Robustness page draws: plain data and numpy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kdcore.results.bias import Outcome

Which = Literal["quick", "usual", "full", "corruptions"]
Filter = Literal["any", "all right", "all wrong", "only this one right", "follows the teacher", "networks differ"]
Values = tuple[float, float, float]  # a value and the ends of its 95 % interval; NaN where it is not defined


@dataclass(frozen=True)
class Network:
    """A network that can be evaluated. `data` is its dataset in words; networks with the same `group` can be compared, whatever
    their image sizes."""

    reference: str
    title: str
    subtitle: str
    kind: Literal["bundled", "imported", "run", "library"]
    architecture: Literal["vit", "cnn"]
    data: str
    image_size: int
    group: str


@dataclass(frozen=True)
class Family:
    """Networks that belong together: role -> reference, with a teacher and a student, and a twin where there is one.

    run_id: of the run; empty for bundled models.
    """

    title: str
    run_id: str
    roles: dict[str, str]


@dataclass(frozen=True)
class SetCard:
    """The card of a test set, see `data.perturbations.base.Perturbation`.

    unavailable: why it cannot be made for these networks; empty where it can.
    conditions: its strengths as conditions, from weak to strong. usual: the one that a short table shows.
    """

    name: str
    title: str
    summary: str
    probes: str
    parameter: str
    strengths: tuple[float, ...]
    conditions: tuple[str, ...]
    usual: str
    source: str
    cached: bool
    conflict: bool
    own_images: bool = False
    unavailable: str = ""


@dataclass(frozen=True, eq=False)
class Assessment:
    """Outcomes of networks under conditions: `outcomes[reference][condition]`, as far as they are known.

    images: how many images each outcome has; of whole sets with images of their own it is their number.
    missing: conditions that at least one of the networks lacks.
    image_size: of the test sets, in pixels. resized: the networks that take another size: reference -> pixels.
    """

    references: tuple[str, ...]
    conditions: tuple[str, ...]
    classes: tuple[str, ...]
    images: int
    outcomes: dict[str, dict[str, Outcome]] = field(repr=False)
    missing: tuple[str, ...] = ()
    image_size: int = 0
    resized: dict[str, int] = field(default_factory=dict)

    def sizes(self, names: Mapping[str, str]) -> str:
        """How networks of several image sizes get the same images, in a sentence; empty where all have one size.

        Args:
            names: reference -> the network's name in the sentence.
        """
        if not self.resized:
            return ""
        others = ", ".join(f"{names.get(reference, reference)} ({side} px)" for reference, side in self.resized.items())
        return f"Test sets are made at {self.image_size} px and resized for networks of another size: {others}."


@dataclass(frozen=True, eq=False)
class Progress:
    """How far an assessment is. `result` grows by a condition at a time.

    done, total: work done and in total, in any unit. seconds_left: None until it is known.
    condition: the one in progress. message: what it is waiting for, such as another window; mostly empty.
    unkept: why results could not be written to disk, and are gone when the program ends; mostly empty.
    """

    done: float
    total: float
    seconds_left: float | None
    condition: str
    result: Assessment
    message: str = ""
    unkept: str = ""


@dataclass(frozen=True)
class Row:
    """One measure under one condition.

    measure: its key; title, sentence: what it is. unit: "share", "nats", "" as `results.measures` writes them.
    higher_is_better: None where neither is.
    values: reference -> value with interval; NaN where undefined, then `undefined` has the reason.
    difference: student - twin with its interval over images; without both that of the first two networks. None where one of the
        two has no value.
    transfer: where the student stands between twin (0) and teacher (1), with its interval; None without the three roles, or
        where it is undefined; `transfer_sentence` says it in words, also why it is undefined, and names over-distilling.
    kind: what is shown of the transfer: "passes on", "moves away", "not shown", "no gap" or "refused"; empty without the roles.
    """

    measure: str
    title: str
    sentence: str
    unit: str
    higher_is_better: bool | None
    condition: str
    values: dict[str, Values]
    undefined: dict[str, str] = field(default_factory=dict)
    difference: Values | None = None
    transfer: Values | None = None
    transfer_sentence: str = ""
    over_distilled: bool = False
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Shown:
    """One image of a gallery: clean and perturbed, uint8 [S, S, 3].

    place: its index among the images of the condition. target: the class's name; texture: that of its texture, or empty.
    predictions: reference -> (class, probability). right: reference -> whether that is the target.
    heatmaps: reference -> float32 [H, W] that sums to 1 on the perturbed image, NaN where there is none.
    """

    place: int
    clean: np.ndarray
    perturbed: np.ndarray
    target: str
    texture: str
    predictions: dict[str, tuple[str, float]]
    right: dict[str, bool]
    heatmaps: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Gallery:
    """A page of images. `total` images match the filter, over `pages` pages."""

    condition: str
    images: list[Shown]
    total: int
    pages: int
    page: int


@dataclass(frozen=True, eq=False)
class Preview:
    """Some images before and after a perturbation, uint8 [m, S, S, 3], with their classes' names."""

    condition: str
    clean: np.ndarray
    perturbed: np.ndarray
    targets: list[str]
    textures: list[str]


@dataclass(frozen=True, eq=False)
class Live:
    """Accuracies at one strength on a sample: reference -> accuracy with interval; `clean` likewise without perturbation.

    clean_image, perturbed: uint8 [S, S, 3] of the sample's first image, so that the page can show what the strength does.
    """

    condition: str
    images: int
    accuracy: dict[str, Values]
    clean: dict[str, Values]
    shape_bias: dict[str, Values]
    clean_image: np.ndarray
    perturbed: np.ndarray
    seconds: float


@dataclass(frozen=True, eq=False)
class Similarity:
    """CKA between the layers of two networks: float32 [L1, L2], from 0 (unrelated) to 1 (the same up to rotation and scale).

    rows, columns: names of the layers of the first and second network, from input to output.
    images: how many it rests on. pooled: layers that were averaged over space, because memory required it.
    """

    one: str
    other: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    images: int
    pooled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sensitivity:
    """How a network's heatmaps react to a perturbation: its map on the clean image against that on the perturbed one.

    cosine, js: means over images with intervals (js: Jensen-Shannon divergence in nats, 0 alike to 0.693).
    control_cosine, control_js: the clean map against that of another clean image: as far apart as unrelated images.
    aligned: for scrambles the map was moved back with its tiles.
    """

    reference: str
    condition: str
    map_name: str
    images: int
    cosine: Values
    js: Values
    control_cosine: Values
    control_js: Values
    aligned: bool = False
