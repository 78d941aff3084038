"""The numbers of a report as CSV: every measure of every network, and every claim."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from kdcore.robustness.report.findings import Findings


def measures_csv(found: Findings) -> str:
    """A row per network, test set, measure and seed, and one for the mean over seeds with its 95 % interval."""
    head = ["direction", "network", "test_set", "strength", "measure", "seed", "value", "low", "high", "images", "why"]
    rows: list[Sequence[Any]] = []
    for number in found.numbers:
        place = [
            number.direction, number.network, number.condition.set_name, f"{number.condition.strength:g}", number.measure.name,
        ]  # fmt: skip
        figure = number.estimate
        ends = [_text(each) for each in (figure.mean, figure.low, figure.high)]
        rows.append([*place, "mean", *ends, figure.images, figure.why])
        if len(number.by_seed) > 1:
            rows += [[*place, seed, _text(value), "", "", figure.images, ""] for seed, value in number.by_seed.items()]
    return _written(head, rows)


def claims_csv(found: Findings) -> str:
    """A row per claim: the measure of student, independent student and teacher, their differences, transfer and sentence."""
    head = [
        "direction", "method", "question", "measure", "test_sets", "shown", "student", "independent", "teacher",
        "student_minus_independent", "low", "high", "teacher_minus_independent", "gap_low", "gap_high", "transfer", "transfer_low",
        "transfer_high", "level", "inherits_a_weakness", "sentence",
    ]  # fmt: skip
    rows = []
    for claim in found.claims:
        each = claim.transfer
        figures = [
            each.student, each.twin, each.teacher, each.change.mean, each.change.low, each.change.high, each.gap.mean,
            each.gap.low, each.gap.high, each.share.mean, each.share.low, each.share.high,
        ]  # fmt: skip
        sets = " ".join(map(str, claim.question.conditions))
        rows.append([
            claim.direction, claim.method, claim.question.name, claim.question.measure.name, sets, each.kind,
            *map(_text, figures), f"{1 - each.change.alpha:.6g}", "yes" if each.over_distilled else "", claim.sentence,
        ])  # fmt: skip
    return _written(head, rows)


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows(rows)
    return text.getvalue()
