"""Measures of predicted classes: confusion matrix, accuracy and gain per class, balanced accuracy, error consistency."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PLACES = 6  # of shares in the file


@dataclass(frozen=True)
class ClassRow:
    """A class on the test images.

    top1: network -> the share of the class's images that it predicts rightly.
    only_student, only_twin: images of the class that only one of the two predicts rightly; None without a twin.
    """

    name: str
    images: int
    top1: dict[str, float]
    only_student: int | None = None
    only_twin: int | None = None

    @property
    def gain(self) -> float | None:
        """Accuracy of student - twin, a fraction; None without a twin."""
        return self.top1["student"] - self.top1["twin"] if "twin" in self.top1 else None


def confusion(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The number of images by true and predicted class, [K, K] int64: row i, column j are images of class i predicted as j.

    Args:
        targets, predicted: [n] whole numbers below `classes`.
    """
    pairs = targets.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def by_class(predictions: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> list[ClassRow]:
    """A row for each class that has test images, in the order of the classes.

    Args:
        predictions: `targets` and the predicted class of each network [n], as in `Store.test_predictions`.
    """
    targets, rows = predictions["targets"], []
    right = {name: predicted == targets for name, predicted in predictions.items() if name != "targets"}
    for place, name in enumerate(classes):
        own = targets == place
        if not own.any():
            continue
        row = ClassRow(name, int(own.sum()), {network: float(hits[own].mean()) for network, hits in right.items()})
        if {"student", "twin"} <= right.keys():
            student, twin = right["student"][own], right["twin"][own]
            row = ClassRow(row.name, row.images, row.top1, int((student & ~twin).sum()), int((twin & ~student).sum()))
        rows.append(row)
    return rows


def balanced_accuracy(targets: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over classes of the share of a class's images that are predicted rightly; classes without images are left out.

    Args:
        targets, predicted: [n] whole numbers.
    """
    counts = np.bincount(targets)
    right = np.bincount(targets[predicted == targets], minlength=len(counts))
    return float((right[counts > 0] / counts[counts > 0]).mean())


def error_consistency(first: np.ndarray, second: np.ndarray) -> float | None:
    """Cohen's kappa of which images two networks predict rightly (Geirhos et al., 2020, https://arxiv.org/abs/2006.16736).

    0: their errors coincide as often as their accuracies make them by chance; 1: they fail on the same images.

    Args:
        first, second: [n] booleans, right or wrong, image by image.

    Returns:
        None where it is not defined: both are right on every image, or wrong on every image.
    """
    one, other = float(first.mean()), float(second.mean())
    expected = one * other + (1 - one) * (1 - other)
    observed = float((first == second).mean())
    return (observed - expected) / (1 - expected) if expected < 1 else None


def as_csv(rows: list[ClassRow]) -> str:
    """A line per class, with a header; a file that spreadsheets read."""
    text = io.StringIO()
    networks = list(rows[0].top1) if rows else []
    extra = ["student - twin", "only student right", "only twin right"] if "twin" in networks else []
    table = csv.writer(text)
    table.writerow(["class", "images", *networks, *extra])
    for row in rows:
        more = [round(gain, PLACES), row.only_student, row.only_twin] if (gain := row.gain) is not None else []
        table.writerow([_harmless(row.name), row.images, *(round(top1, PLACES) for top1 in row.top1.values()), *more])
    return text.getvalue()


def _harmless(name: str) -> str:
    """A class's name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name
