"""A study as a table: one row for each run, with its settings, its results and the conclusion of its variant."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from kdcore.recipe import study as studies
from kdcore.results.comparison import sentence, with_interval
from kdcore.store.studies.state import Place, StudyState

Column = tuple[str, str]  # network and metric
BEFORE, AFTER = ("seed", "run", "status", "seconds"), ("conclusion",)  # of the columns of results


def as_csv(state: StudyState) -> str:
    """The table as CSV, metrics as fractions; empty where a run has no results or a variant leaves a setting as it is."""
    settings = studies.variants(state.study)
    keys = list(dict.fromkeys(key for values in settings.values() for key in values))
    columns = _columns(state)
    conclusions = {label: sentence(summary) if summary else "" for label, summary in state.summaries().items()}
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["variant", *keys, *BEFORE, *(f"{network}_{metric}" for network, metric in columns), *AFTER])
    for place in state.places:
        label = place.point.variant
        table.writerow(
            [label, *(settings[label].get(key, "") for key in keys), *_of_run(place, columns), conclusions[label]]
        )
    return text.getvalue()


def _of_run(place: Place, columns: Sequence[Column]) -> list[Any]:
    run = place.run
    results = with_interval(run.outcome) if run else {}
    return [
        place.point.seed, place.run_id, run.status if run else "", f"{run.active_seconds:.1f}" if run else "",
        *(results.get(network, {}).get(metric, "") for network, metric in columns),
    ]  # fmt: skip


def _columns(state: StudyState) -> list[Column]:
    """Network and metric of every result of a finished run, in their usual order."""
    order = ("student", "twin", "teacher", "difference", "agreement")
    found: dict[Column, None] = {}
    for network in order:
        for place in state.places:
            if place.run:
                found |= dict.fromkeys((network, metric) for metric in place.run.results.get(network, {}))
    return list(found)
