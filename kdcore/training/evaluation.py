"""Networks on a split: their logits, their metrics, and the difference between student and twin with its interval."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from kdcore.data.batches import batches
from kdcore.data.split import Split
from kdcore.models import Tapped, in_eval
from kdcore.models.teacher import Teacher
from kdcore.results import metrics
from kdcore.results.predictions import balanced_accuracy, error_consistency
from kdcore.runtime import distributed, mixed_precision
from kdcore.runtime.distributed import ALONE, Process
from kdcore.runtime.mixed_precision import Precision
from kdcore.tensors.finite import check_finite
from kdcore.training.distiller import Distiller

BATCH = 256
Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """The networks of a run on its test split.

    results: as in `events.RunFinished`.
    predictions: `targets` [n] and each network's predicted class [n], int16 or int32, in the order of the split.
    """

    results: dict[str, dict[str, float]]
    predictions: dict[str, np.ndarray]


def logits_in_steps(
    model: Tapped, split: Split, *, precision: Precision = "exact", process: Process = ALONE
) -> Generator[None, None, Tensor]:
    """A model's logits on a split, in order; returns [n, K], float32. Several processes share the work, and get all of them.

    Yields after each batch, with the model back in its own mode, so that the caller may stop in between.
    """
    device = split.targets.device
    found = []
    for batch in batches(split, BATCH, seed=0, epoch=0, shuffle=False, process=process):
        with in_eval(model), torch.no_grad(), mixed_precision.autocast(device, precision):
            own = model(batch.images, frozenset({"logits"})).logits
        found.append(distributed.whole(own, len((batch.whole or batch).targets)))
        yield
    return torch.cat(found).float()


def logits(model: Tapped, split: Split, *, precision: Precision = "exact") -> Tensor:
    """Like `logits_in_steps`, without yielding."""
    return drained(logits_in_steps(model, split, precision=precision))


def evaluate_in_steps(
    models: dict[str, Tapped],
    split: Split,
    *,
    precision: Precision = "exact",
    calibrate: bool = False,
    process: Process = ALONE,
) -> Generator[None, None, dict[str, dict[str, float]]]:
    """Each network's `metrics.classification` on a split. Yields between batches.

    Args:
        calibrate: also fit each network's temperature to the split, as `calibrating`.
    """
    figures = {}
    for name, model in models.items():
        outputs = yield from logits_in_steps(model, split, precision=precision, process=process)
        figures[name] = metrics.classification(outputs, split.targets)
        if calibrate:
            figures[name]["calibrating"] = metrics.calibrating_temperature(outputs, split.targets)
    return figures


def evaluate(model: Tapped, split: Split, *, precision: Precision = "exact") -> dict[str, float]:
    """`metrics.classification` of a model on a split. Raises UserError where its outputs are not numbers."""
    outputs = logits(model, split, precision=precision)
    check_finite(outputs)
    return metrics.classification(outputs, split.targets)


def compare_in_steps(
    models: dict[str, Tapped],
    split: Split,
    *,
    precision: Precision = "exact",
    temperatures: dict[str, float] | None = None,
    process: Process = ALONE,
) -> Generator[None, None, Comparison]:
    """Each network's metrics on a split with a 95 % interval, and the difference student - twin where there is a twin.

    Yields between batches. What the results hold is described at `events.RunFinished`.

    Args:
        temperatures: network -> the temperature that calibrates it, fitted to other images.
    """
    results: dict[str, dict[str, float]] = {}
    right: dict[str, np.ndarray] = {}
    logits: dict[str, Tensor] = {}
    whole = np.int16 if len(split.classes) <= np.iinfo(np.int16).max else np.int32
    predictions = {"targets": split.targets.cpu().numpy().astype(whole)}
    for name, model in models.items():
        logits[name] = outputs = yield from logits_in_steps(model, split, precision=precision, process=process)
        predictions[name] = outputs.argmax(dim=1).cpu().numpy().astype(whole)
        right[name] = predictions[name] == predictions["targets"]
        correct = int(right[name].sum())
        low, high = metrics.wilson(correct, len(split))
        results[name] = {
            **metrics.classification(outputs, split.targets), "correct": correct, "low": low, "high": high,
            "balanced_accuracy": balanced_accuracy(predictions["targets"], predictions[name]),
        }  # fmt: skip
        if temperatures and (fitted := temperatures.get(name)):
            scaled = metrics.calibration_error(outputs, split.targets, fitted)
            results[name] |= {"temperature": fitted, "ece_scaled": scaled}
    if {"student", "twin"} <= models.keys():
        results["difference"] = metrics.paired_difference(right["student"], right["twin"])
    if "teacher" in models:
        learners = [name for name in models if name != "teacher"]
        results["agreement"] = {name: float((predictions[name] == predictions["teacher"]).mean()) for name in learners}
        for name in learners:
            results[name]["kl"] = metrics.divergence(logits["teacher"], logits[name])
            if (kappa := error_consistency(right[name], right["teacher"])) is not None:
                results[name]["error_consistency"] = kappa
    return Comparison(results, predictions)


def losses_in_steps(
    distiller: Distiller,
    teacher: Teacher | None,
    split: Split,
    temperatures: dict[str, float],
    process: Process = ALONE,
) -> Generator[None, None, dict[str, float]]:
    """The mean over a split's images of each of the distiller's losses, in eval mode. Yields between batches."""
    sums: dict[str, float] = dict.fromkeys(distiller.terms, 0.0)
    weights = dict.fromkeys(distiller.terms, 1.0)
    for batch in batches(split, BATCH, seed=0, epoch=0, shuffle=False, process=process):
        outputs = teacher(batch.images, distiller.needs) if teacher and distiller.uses_teacher else None
        with in_eval(distiller), torch.no_grad():
            objective, _ = distiller(batch, outputs, weights, temperatures)
        for name, loss in objective.losses.items():
            sums[name] += loss.item() * len((batch.whole or batch).targets)
        yield
    return {name: total / len(split) for name, total in sums.items()}


def drained(steps: Generator[Any, None, Result]) -> Result:
    """The return value of a generator, without what it yields."""
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        result: Result = ended.value
        return result
