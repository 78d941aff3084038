"""What else passed on in one run, from what every run stores: predicted classes, and counts on perturbed validation images."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kdcore.results.bias.checks import few_expected
from kdcore.results.bias.contributions import kappa, right_of_both
from kdcore.results.bias.difference import Values, compared, counted
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
    networks = {name: predictions[name] for name in ("student", "twin", "teacher")}
    same = [Values((own == teacher)[None].astype(np.float64)) for own in networks.values()]
    found = [_of_values(agreement, same, share=True)]
    columns = [right_of_both(own == targets, teacher == targets) for own in networks.values()]
    with np.errstate(divide="ignore", invalid="ignore"):
        defined = all(math.isfinite(float(kappa(own.mean(axis=0)))) for own in columns)
    if defined:
        few = [few_expected(own == targets, teacher == targets) for own in networks.values()]
        kappas = [Values(linearised(own, kappa)[None], few=why) for own, why in zip(columns, few, strict=True)]
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


def _of_values(measure: Measure, values: Sequence[Values], *, share: bool) -> Read:
    """values: of student, twin and teacher."""
    student, twin, teacher = values
    return Read(
        measure, "", student.mean, twin.mean, teacher.mean, compared(student, twin, share=share),
        compared(teacher, twin, share=share), undefined("not computed"), images=student.each.shape[1],
    )  # fmt: skip
