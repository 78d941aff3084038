"""What a network predicts on a test set, as arrays, and the outcomes that a measure reads together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outputs of one network under one condition: a test set at a strength, or the clean images.

    Outcomes of several networks, and those of clean and perturbed images, are aligned: row i is the same image in all of them.

    targets: [n] whole numbers, the labels.
    log_probabilities: [n, K] float16 or float32 (float16 rounds some of the closest predictions into ties, which the class
        with the smaller number wins). Rows need not sum to 1 exactly: they are normalised here, so logits will do.
    textures: [n] whole numbers, for a cue conflict: the class whose texture the image has, -1 where it has no class's. None for
        test sets without textures of classes.
    """

    targets: np.ndarray = field(repr=False)
    log_probabilities: np.ndarray = field(repr=False)
    textures: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n = len(self.targets)
        assert self.targets.shape == (n,), self.targets.shape
        assert self.log_probabilities.ndim == 2, self.log_probabilities.shape
        assert len(self.log_probabilities) == n, (self.log_probabilities.shape, n)
        assert self.textures is None or self.textures.shape == (n,), "textures: a number for each image"

    @property
    def count(self) -> int:
        """n, the number of images."""
        return len(self.targets)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.log_probabilities.shape[1])

    @cached_property
    def finite(self) -> bool:
        """Whether every output is a finite number; no measure is defined otherwise."""
        return bool(np.isfinite(self.log_probabilities).all())

    @cached_property
    def predicted(self) -> np.ndarray:
        """The predicted class of each image, [n]."""
        found: np.ndarray = self.log_probabilities.argmax(axis=1)
        return found

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image is predicted rightly, [n] booleans; one whose outputs are no numbers is not."""
        found: np.ndarray = (self.predicted == self.targets) & ~np.isnan(self.log_probabilities).any(axis=1)
        return found

    @cached_property
    def logs(self) -> np.ndarray:
        """The log-probabilities in double precision, each row summing to 1 as probabilities, [n, K]."""
        wide = self.log_probabilities.astype(np.float64)
        wide -= wide.max(axis=1, keepdims=True)
        wide -= np.log(np.exp(wide).sum(axis=1, keepdims=True))
        return wide


@dataclass(frozen=True)
class Observation:
    """What a measure reads of a network: its outcome, that on the clean images, and the teacher's on the same images.

    clean: of the same network; None for a test set that is not made from clean images. Of the clean images themselves it is
        the outcome itself, or None.
    teacher: the teacher's outcome under the same condition; None without a teacher.
    """

    outcome: Outcome
    clean: Outcome | None = None
    teacher: Outcome | None = None
    known: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)  # computed of it, by name

    def once(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """What `compute` gives, computed the first time: a value, a difference and a transfer read the same numbers."""
        if name not in self.known:
            self.known[name] = compute()
        return self.known[name]

    def __post_init__(self) -> None:
        for other in (self.clean, self.teacher):
            assert other is None or np.array_equal(other.targets, self.outcome.targets), "outcomes of different images"
