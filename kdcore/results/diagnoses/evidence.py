"""What a run has recorded, as a diagnosis reads it, and what a diagnosis is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kdcore.recipe import Recipe
from kdcore.recipe.terms import SUPERVISED
from kdcore.results.comparison import Results

UNEVEN = 1.2  # times the mean share: a class that is worth naming as the most common one
MARGIN = 0.05  # a network must beat guessing by this share of what guessing leaves to 100 %
LOOK_AT_LABELS = "Look at some training images with their labels (a preview is on the page Train)."

MORE_IMAGES = "Add test images, or take more of them (data.test_images)."


@dataclass(frozen=True)
class Evidence:
    """What a run has recorded.

    results: as in `events.RunFinished`; predictions: as in `Store.test_predictions`, None where they were not stored.
    series: as in `Store.series`. validation: network -> its last metrics on the validation images, the teacher's too.
    gradients: the last measurement, with `shares` and `idle`. changes: settings that a user changed during the run, each
        with step, epoch, knob and factor.
    """

    recipe: Recipe
    results: Results
    classes: tuple[str, ...]
    predictions: Mapping[str, np.ndarray] | None = None
    series: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labelled_images: int = 0
    gradients: Mapping[str, Any] = field(default_factory=dict)
    changes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Diagnosis:
    """A fault in a few words, as a sentence, and what to try next. `note`: it explains the result, rather than devalue it."""

    kind: str
    finding: str
    remedy: str
    note: bool = False

    @property
    def in_words(self) -> str:
        return f"{self.finding} {self.remedy}"


def label_losses(evidence: Evidence, network: str) -> np.ndarray:
    """The network's loss on the labels over the logged steps, else its total; without the steps whose batch had no labelled image."""
    for term in (SUPERVISED, "total"):
        if f"loss/{network}/{term}" in evidence.series:
            losses = np.asarray(evidence.series[f"loss/{network}/{term}"][1], dtype=float)
            return losses[losses != 0]
    return np.empty(0)


def best_guess(evidence: Evidence) -> tuple[float, str]:
    """The accuracy of guessing on the test images, and how to get it."""
    share, classes = 1 / len(evidence.classes), evidence.classes
    if evidence.predictions is None:
        return share, "guessing"
    counts = np.bincount(evidence.predictions["targets"], minlength=len(classes))
    most = float(counts.max() / counts.sum())
    if most > UNEVEN * share:
        return most, f"always predicting {classes[int(counts.argmax())]!r}"
    return (most, "the best guess") if most > share else (share, "guessing")


def clear_of_guessing(top1: float, guessing: float) -> bool:
    """Whether an accuracy beats guessing by what counts as better, whatever the number of images."""
    return guessing < 1 and top1 >= guessing + MARGIN * (1 - guessing)
