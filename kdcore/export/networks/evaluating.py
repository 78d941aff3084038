"""ONNX files on the test images: accuracy with its interval, and what may be claimed of the difference to another file."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from kdcore.data import loading
from kdcore.data.batches import batches
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.export.networks.onnx_session import Session
from kdcore.recipe import DataRecipe
from kdcore.results import metrics
from kdcore.results.comparison import Compared, Conclusion, Outcome, conclude_all, with_student

BATCH = 64
Logits = Mapping[str, np.ndarray]  # name of a network -> [n, K]


def images_of(data: DataRecipe, at_most: int | None = None) -> Split:
    """The test images, or the first so many of an order in which the classes take turns. Raises UserError where they are not here."""
    return loading.load(data, "test", first=at_most)


def logits(session: Session, images: Split) -> np.ndarray:
    """[n, K] of a network on the images of a split. Raises UserError where they are not numbers."""
    found = np.concatenate([session.logits(batch) for batch in arrays(images)])
    if not np.isfinite(found).all():
        raise UserError("The network's logits are infinite or not a number on some test images, so it is not measured.")
    return found


def arrays(images: Split) -> Iterator[np.ndarray]:
    """The images of a split in order, in batches float32 [B, 3, S, S] in [0, 1]."""
    for batch in batches(images, BATCH, seed=0, epoch=0, shuffle=False):
        yield np.ascontiguousarray(batch.images.cpu().numpy())


def figures(found: np.ndarray, images: Split) -> dict[str, float]:
    """`metrics.classification` of logits [n, K], with `correct`, and the 95 % interval of top1 as `low` and `high`."""
    targets = images.targets.cpu()
    correct = int((found.argmax(axis=1) == targets.numpy()).sum())
    low, high = metrics.wilson(correct, len(targets))
    measured = metrics.classification(torch.from_numpy(found), targets)
    return {**measured, "top1": correct / len(targets), "correct": correct, "low": low, "high": high}


def outcome(found: Logits, images: Split, seed: int = 0) -> Outcome:
    """What networks contribute to comparisons, by their names."""
    predictions = {name: each.argmax(axis=1) for name, each in found.items()}
    return Outcome(
        {name: figures(each, images) for name, each in found.items()}, seed,
        {"targets": images.targets.cpu().numpy(), **predictions},
    )  # fmt: skip


def difference(first: np.ndarray, second: np.ndarray, images: Split) -> Conclusion:
    """What may be claimed of the accuracy of one file against another's, from logits [n, K] on the same images."""
    return differences({"": first}, second, images)[""]


def differences(files: Logits, other: np.ndarray, images: Split) -> dict[str, Conclusion]:
    """The same of several files against one, corrected for their number."""
    against = outcome({"student": other}, images)
    pairs = [Compared((with_student(outcome({"student": each}, images), against),)) for each in files.values()]
    return dict(zip(files, conclude_all(pairs), strict=True))


def plain(found: Conclusion) -> dict[str, Any]:
    """A conclusion as plain data."""
    ends = {"low": found.low, "high": found.high} if found.bounded else {}
    return {"mean": found.mean, **ends, "kind": found.kind, "why": found.why}
