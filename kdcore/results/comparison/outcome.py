"""What a finished run contributes to a comparison, and two networks of one seed side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kdcore.results.comparison.paired import Paired

Results = dict[str, dict[str, float]]  # as in RunFinished
Identity = tuple[tuple[str, float], ...]


class ImagesTested(NamedTuple):
    """The images that a run was tested on.

    dataset: the dataset, and the settings that decide which of its images these are.
    checksum: of their pixels at this size.
    """

    dataset: str
    image_size: int
    checksum: str

    def differ(self, other: "ImagesTested") -> bool:
        """Whether these are other images, as far as it shows: of one size by their pixels, else by the dataset."""
        if self.image_size == other.image_size:
            return self.checksum != other.checksum
        return self.dataset != other.dataset


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    results: as in RunFinished.
    predictions: `targets` and each network's predicted classes on the test images, [n]; None where they were not stored.
    turned: the settings that a user changed during the run.
    redrawn: whether the training data follow the run's seed (`data.seed: run`).
    pretrained: whether the student began with trained weights, which no seed changes.
    tested_on: the test images; None where that was not stored.
    """

    results: Results
    seed: int = 0
    predictions: Mapping[str, np.ndarray] | None = field(default=None, compare=False, repr=False)
    turned: tuple[str, ...] = ()
    redrawn: bool = False
    pretrained: bool = False
    tested_on: ImagesTested | None = None

    def right(self, network: str) -> np.ndarray | None:
        """Which test images a network predicts rightly, [n] booleans; None where that was not stored."""
        if self.predictions is None or network not in self.predictions:
            return None
        found: np.ndarray = self.predictions[network] == self.predictions["targets"]
        return found


@dataclass(frozen=True)
class Pair:
    """Two networks on the test images of one seed.

    difference: of their accuracies, first - second.
    variance: of a single image's difference; an upper bound where the images were not stored.
    per_image: 1, 0 or -1 for each image, [n]; None where it was not stored.
    apart: the images that only the first, and only the second, predicts rightly; None where that was not stored.
    identity: results that two different seeds do not share to the last digit.
    tested_on: the test images; None where that was not stored.
    same_images: whether both networks were tested on the same images, as far as it shows.
    """

    seed: int
    count: int
    difference: float
    variance: float
    per_image: np.ndarray | None = field(compare=False, repr=False)
    targets: np.ndarray | None = field(compare=False, repr=False)
    apart: tuple[int, int] | None
    identity: tuple[Identity, ...]
    turned: tuple[str, ...]
    tested_on: ImagesTested | None = None
    same_images: bool = True

    @property
    def paired(self) -> Paired | None:
        return Paired(*self.apart, self.count) if self.apart and self.count else None


def with_twin(run: Outcome) -> Pair | None:
    """A run's student and its twin; None without a twin."""
    if "difference" not in run.results or "twin" not in run.results:
        return None
    stored = run.results["difference"]
    counts = stored.get("only_student", stored.get("only_first")), stored.get("only_twin", stored.get("only_second"))
    known = (int(counts[0]), int(counts[1])) if counts[0] is not None and counts[1] is not None else None
    return _pair(run, "student", run, "twin", stored["top1"], known)


def with_student(run: Outcome, other: Outcome) -> Pair:
    """The students of two runs, of the same seed."""
    gap = run.results["student"]["top1"] - other.results["student"]["top1"]
    return _pair(run, "student", other, "student", gap, None)


def _pair(
    run: Outcome, network: str, other: Outcome, against: str, difference: float, counts: tuple[int, int] | None
) -> Pair:
    first, second = run.right(network), other.right(against)
    count = int(run.results[network].get("count", 0))
    one, two = run.results[network]["top1"], other.results[against]["top1"]
    per_image, variance = None, one * (1 - one) + two * (1 - two)  # as if their errors had nothing in common
    targets = run.predictions["targets"] if run.predictions is not None else None
    same_images = run is other or _same_images(run, network, other, against)
    if first is not None and second is not None and same_images:
        per_image = first.astype(np.int8) - second.astype(np.int8)
        counts = int((per_image == 1).sum()), int((per_image == -1).sum())
        count = len(per_image)
    if counts and count:
        difference = (counts[0] - counts[1]) / count
        variance = max(0.0, sum(counts) / count - difference**2)
    return Pair(
        seed=run.seed,
        count=count,
        difference=difference,
        variance=variance,
        per_image=per_image,
        targets=targets,
        apart=counts,
        identity=(identity(run.results[network]), identity(other.results[against])),
        turned=tuple(dict.fromkeys((*run.turned, *other.turned))),
        tested_on=run.tested_on,
        same_images=same_images,
    )


def _same_images(run: Outcome, network: str, other: Outcome, against: str) -> bool:
    """As far as it shows in their number, their classes and their pixels."""
    counts = run.results[network].get("count"), other.results[against].get("count")
    if None not in counts and counts[0] != counts[1]:
        return False
    if run.tested_on and other.tested_on and run.tested_on.differ(other.tested_on):
        return False
    if run.predictions is None or other.predictions is None:
        return True
    return np.array_equal(run.predictions["targets"], other.predictions["targets"])


def alike(runs: Sequence[Outcome]) -> bool:
    """Whether the students of several runs were tested on the same images, as far as it shows."""
    return all(_same_images(run, "student", runs[0], "student") for run in runs[1:])


def identity(figures: dict[str, float]) -> Identity:
    """Results that two different seeds do not share to the last digit."""
    return tuple(sorted(figures.items()))
