"""What else passed on in one run, from what every run stores: predicted classes, and counts on perturbed validation images."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kdcore.results.bias.contributions import kappa, right_of_both
from kdcore.results.bias.difference import compared, counted
from kdcore.results.bias.estimate import linearised, undefined
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import accuracy, agreement, error_consistency
from kdcore.results.bias.sentences import within
from kdcore.results.bias.transfer import Read

COUNTS_ONLY = "only counts of images were stored"


def of_predictions(predictions: Mapping[str, np.ndarray]) -> list[Read]:
    """Agreement with the teacher and error consistency on the test images; nothing without a twin or a teacher.

    Args:
        predictions: `targets` and each network's predicted classes, [n].
    """
    if not {"student", "twin", "teacher"} <= predictions.keys():
        return []
    teacher, targets = predictions["teacher"], predictions["targets"]
    same = {name: (predictions[name] == teacher)[None].astype(np.float64) for name in ("student", "twin", "teacher")}
    found = [_of_values(agreement, same, share=True)]
    columns = {
        name: right_of_both(predictions[name] == targets, teacher == targets) for name in ("student", "twin", "teacher")
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        defined = all(math.isfinite(float(kappa(own.mean(axis=0)))) for own in columns.values())
    if defined:
        kappas = {name: linearised(own, kappa)[None] for name, own in columns.items()}
        found.append(_of_values(error_consistency, kappas, share=False))
    return found


def of_counts(measured: Mapping[str, Any], title_of: Callable[[str], str]) -> list[Read]:
    """Accuracy on each perturbed set of the validation images, from the last event of it.

    Args:
        measured: `accuracy`, `only` and `images` as in `events.RobustnessMeasured`.
        title_of: a test set in words, from its text: `patch_scramble@4` -> `Scrambled patches (4)`.
    """
    found = []
    for name, shares in measured["accuracy"].items():
        if {"student", "twin", "teacher"} <= shares.keys():
            only, images = measured["only"][name], int(measured["images"])
            pair = [
                counted(int(only[f"{one}/twin"]), int(only[f"twin/{one}"]), images) for one in ("student", "teacher")
            ]
            found.append(
                Read(
                    accuracy, f"{within(title_of(name))}, of validation images", shares["student"], shares["twin"],
                    shares["teacher"], pair[0], pair[1], undefined(COUNTS_ONLY), images=images,
                )
            )  # fmt: skip
    return found


def _of_values(measure: Measure, values: Mapping[str, np.ndarray], *, share: bool) -> Read:
    student, twin, teacher = (values[name] for name in ("student", "twin", "teacher"))
    return Read(
        measure, "", float(student.mean()), float(twin.mean()), float(teacher.mean()),
        compared(student, twin, share=share), compared(teacher, twin, share=share), undefined("not computed"),
        images=student.shape[1],
    )  # fmt: skip
