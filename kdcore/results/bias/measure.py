"""A measure of a network on a test set: what it reads, its value, and its 95 % interval over images."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kdcore.results.bias import contributions
from kdcore.results.bias.estimate import (
    Combine,
    Estimate,
    by_basic_bootstrap,
    by_bootstrap,
    linearised,
    of_mean,
    undefined,
)
from kdcore.results.bias.outcome import Observation
from kdcore.results.comparison.conclusion import LEAST_IMAGES
from kdcore.results.comparison.figure import minus
from kdcore.results.comparison.share import wilson

Need = Literal["clean", "teacher", "textures"]
Better = Literal["higher", "lower", "neither"]
By = Literal["share", "decisions", "mean", "bootstrap", "basic bootstrap"]
NO_WIDTH = 1e-9  # of an interval


@dataclass(frozen=True)
class Measure:
    """A measure of a network on a test set.

    name: in files and on the command line. title: on a page. explanation: one or two sentences for a newcomer.
    needs: what an observation must have besides the outcome: the one on `clean` images, the `teacher`'s, `textures`.
    better: whether higher or lower values are better, or neither.
    columns: each image's contributions, [n, m]. combine: from their means to the value, and broadcasts over leading axes.
    by: how its interval is computed: of a share of images, of a share of decisions between two, of a mean, or by a bootstrap.
    least, most: the ends of its scale.
    check: why it has no value, for reasons of its own; empty where it has one.
    few: why the images do not allow a claim about it, though it has a value; empty where they do.
    upward: how far the value may be too high because there are few images, from `columns`.
    """

    name: str
    title: str
    unit: Literal["share", "nats", ""]
    better: Better
    explanation: str
    columns: Callable[[Observation], np.ndarray]
    combine: Combine = contributions.only
    needs: frozenset[Need] = frozenset()
    by: By = "mean"
    least: float = -math.inf
    most: float = math.inf
    check: Callable[[Observation], str] = lambda seen: ""
    few: Callable[[Observation], str] = lambda seen: ""
    upward: Callable[[np.ndarray], float] = lambda columns: 0.0

    @property
    def with_teacher(self) -> bool:
        """Whether it compares a network with the teacher."""
        return "teacher" in self.needs

    def text(self, value: float) -> str:
        """A value with its unit: `13.7 %`, `0.594 nats`, `0.31`."""
        match self.unit:
            case "share":
                return f"{100 * value:.1f} %"
            case "nats":
                return f"{value:.3f} nats"
        return minus(f"{value:.2f}")

    def why_not(self, seen: Observation) -> str:
        """Why it has no value here, as the end of a sentence; empty where it has one."""
        if not seen.outcome.count:
            return "the test set has no images"
        if why := self.lacks(seen):
            return why
        read = [
            seen.outcome,
            seen.clean if "clean" in self.needs else None,
            seen.teacher if self.with_teacher else None,
        ]
        if any(each is not None and not each.finite for each in read):
            return "outputs are not finite"
        return self.check(seen)

    def contributions(self, seen: Observation) -> np.ndarray:
        """Each image's contributions, [n, m]."""
        return seen.once(self.name, lambda: self.columns(seen))

    def linear(self, seen: Observation) -> np.ndarray:
        """A number for each image whose mean is the measure, [n]: see `linearised`."""
        return seen.once(f"{self.name}, linear", lambda: linearised(self.contributions(seen), self.combine))

    def lacks(self, seen: Observation) -> str:
        """What it needs and the observation does not have; empty where nothing is missing."""
        if "clean" in self.needs and seen.clean is None:
            return "it compares with the same images before they were perturbed, and these were not measured"
        if "teacher" in self.needs and seen.teacher is None:
            return "it compares with a teacher, and there is none"
        if "textures" in self.needs and seen.outcome.textures is None:
            return "it needs images with the shape of one class and the texture of another"
        return ""

    def value(self, seen: Observation) -> Estimate:
        """The measure with its 95 % interval over images; undefined with its reason where it has no value.

        Without an interval where the images do not allow one: a bootstrap needs `LEAST_IMAGES`, and images that all contribute the
        same say nothing of how others would.
        """
        if why := self.why_not(seen):
            return undefined(why)
        columns = self.contributions(seen)
        value, n = float(self.combine(columns.mean(axis=0))), len(columns)
        match self.by:
            case "decisions":
                first, other = (int(column.sum()) for column in columns.T)
                low, high = wilson(first, first + other)
                return Estimate(
                    value, low, high, images=first + other, of=int(contributions.conflicting(seen.outcome).sum())
                )
            case "share":
                low, high = wilson(int(columns.sum()), n)
            case "mean":
                low, high = of_mean(columns[:, 0])
            case "bootstrap":
                low, high = by_bootstrap(columns, self.combine)
            case "basic bootstrap":
                low, high = by_basic_bootstrap(columns, self.combine)
        low, high = max(low, self.least), min(high, self.most)
        too_few = n < {"share": 1, "mean": 2}.get(self.by, LEAST_IMAGES) or self.few(seen)
        if too_few or not high - low > NO_WIDTH:
            return Estimate(value, images=n, of=n)
        return Estimate(value, low, high, images=n, of=n)
