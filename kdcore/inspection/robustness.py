"""Networks on perturbed test sets, as the Robustness page draws them: references and plain data in, numpy out.

A *network* is a reference as `models.load` takes it: a bundled model, `run:ID/student` or a .safetensors file. A *condition* is a
text, `clean` or a test set at a strength such as `patch_scramble@4`. A *role* is `teacher`, `student` or `twin`.

Everything that raises, raises UserError with a sentence for the page: no such network, set or strength; networks of different
data or image sizes; images or a file that a set needs are not on this machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kdcore.results.bias import Outcome
from kdcore.store import Store

Which = Literal["quick", "full", "corruptions"]
Filter = Literal["any", "all right", "all wrong", "only this one right", "follows the teacher", "networks differ"]
Values = tuple[float, float, float]  # a value and the ends of its 95 % interval; NaN where it is not defined


@dataclass(frozen=True)
class Network:
    """A network that can be evaluated. `data` is its dataset in words; networks with the same `group` can be compared."""

    reference: str
    title: str
    subtitle: str
    kind: Literal["bundled", "run"]
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
    unavailable: str = ""


@dataclass(frozen=True, eq=False)
class Assessment:
    """Outcomes of networks under conditions: `outcomes[reference][condition]`, as far as they are known.

    images: how many images each outcome has; of whole sets with images of their own it is their number.
    missing: conditions that at least one of the networks lacks.
    """

    references: tuple[str, ...]
    conditions: tuple[str, ...]
    classes: tuple[str, ...]
    images: int
    outcomes: dict[str, dict[str, Outcome]] = field(repr=False)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Progress:
    """How far an assessment is. `result` grows by a condition at a time.

    done, total: work done and in total, in any unit. seconds_left: None until it is known.
    condition: the one in progress. message: what it is waiting for, such as another window; mostly empty.
    """

    done: float
    total: float
    seconds_left: float | None
    condition: str
    result: Assessment
    message: str = ""


@dataclass(frozen=True)
class Row:
    """One measure under one condition.

    measure: its key; title, sentence: what it is. unit: "share", "nats", "" as `results.measures` writes them.
    higher_is_better: None where neither is.
    values: reference -> value with interval; NaN where undefined, then `undefined` has the reason.
    difference: student - twin with its interval over images; without roles that of the first two networks. None where one of the
        two has no value.
    transfer: where the student stands between twin (0) and teacher (1), with its interval; None without the three roles, or
        where it is undefined; `transfer_sentence` says it in words, also why it is undefined, and names over-distilling.
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


def networks(store: Store) -> list[Network]:
    """Every network that can be evaluated: bundled models, then those of runs with a checkpoint."""
    raise NotImplementedError


def families(store: Store) -> list[Family]:
    """Teachers with their student and twin: bundled ones, then a run's."""
    raise NotImplementedError


def refusal(references: Sequence[str], store: Store) -> str:
    """Why these networks cannot be evaluated together, in words; empty where they can. Never raises."""
    raise NotImplementedError


def test_sets(references: Sequence[str], store: Store) -> list[SetCard]:
    """All test sets with their cards, those that cannot be made for these networks with the reason."""
    raise NotImplementedError


def conditions(which: Which, references: Sequence[str], store: Store) -> list[str]:
    """The conditions of a quick, full or corruption evaluation of these networks, `clean` first."""
    raise NotImplementedError


def default_images(which: Which, references: Sequence[str], store: Store) -> int:
    """How many images such an evaluation uses by default."""
    raise NotImplementedError


def assess(
    references: Sequence[str],
    conditions: Sequence[str],
    store: Store,
    *,
    images: int | None = None,
    threads: int | None = None,
) -> Iterator[Progress]:
    """Evaluate networks under conditions; yields after every batch, with the conditions that are complete.

    What is kept from earlier evaluations is read, what is computed is kept. Stop by not taking another step (`close()`).
    """
    raise NotImplementedError


def kept(
    references: Sequence[str], store: Store, *, conditions: Sequence[str] | None = None, images: int | None = None
) -> Assessment:
    """What earlier evaluations kept, without computing anything. Without `conditions`: all that every network has."""
    raise NotImplementedError


def of_run(run_id: str, store: Store) -> tuple[Family, Assessment] | None:
    """What is kept of a run's networks, without computing or loading anything; None where there is nothing."""
    raise NotImplementedError


def table(assessment: Assessment, roles: Mapping[str, str] | None = None) -> list[Row]:
    """Every measure under every condition. With roles (role -> reference) also the transfer from the teacher."""
    raise NotImplementedError


def preview(reference: str, condition: str, store: Store, *, count: int = 6) -> Preview:
    """Some images of a condition beside the clean ones."""
    raise NotImplementedError


def gallery(
    references: Sequence[str],
    condition: str,
    store: Store,
    *,
    which: Filter = "any",
    this: str = "",
    roles: Mapping[str, str] | None = None,
    page: int = 0,
    per_page: int = 12,
    heatmaps: bool = True,
    images: int | None = None,
) -> Gallery:
    """A page of the images of a condition, with every network's prediction and heatmap.

    Args:
        which: `only this one right` needs `this`, a reference; `follows the teacher` needs roles: the student predicts the
            teacher's class and the twin does not.
        images: how many of the condition's images are considered.
    """
    raise NotImplementedError


def live(references: Sequence[str], condition: str, store: Store, *, images: int = 200) -> Live:
    """Accuracies at any strength on a small sample; networks and clean images stay in memory."""
    raise NotImplementedError


def similarity(one: str, other: str, store: Store, *, images: int = 1000) -> Iterator[Similarity]:
    """CKA between all layers of two networks on clean test images; yields the matrix so far after every batch."""
    raise NotImplementedError


def sensitivity(
    references: Sequence[str], conditions: Sequence[str], store: Store, *, images: int = 100
) -> Iterator[list[Sensitivity]]:
    """How much the heatmaps change under each condition; yields the rows so far after each network and condition."""
    raise NotImplementedError


def as_csv(assessment: Assessment, roles: Mapping[str, str] | None = None) -> str:
    """`table` as CSV: a row for each measure and condition, columns value, low and high of each network and the transfer."""
    raise NotImplementedError


def export(reference: str, condition: str, store: Store, *, images: int = 100) -> bytes:
    """A zip of PNG files of a condition with a manifest."""
    raise NotImplementedError
