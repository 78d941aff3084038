"""Comparisons of networks on the Robustness page: the table of measures, similarity of layers, sensitivity of heatmaps."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from kdcore.inspection.robustness.results import Assessment, Row, Sensitivity, Similarity, Values
from kdcore.inspection.robustness.workplace import of, values_of
from kdcore.results.bias.sentences import sentence, what_else_passed_on
from kdcore.robustness import layers as alike
from kdcore.robustness import maps, samples
from kdcore.robustness import table as tables
from kdcore.robustness.conditions import parse, title
from kdcore.store import Store


def table(assessment: Assessment, roles: Mapping[str, str] | None = None) -> list[Row]:
    """Every measure under every condition that all networks have. With roles (role -> reference) also the transfer."""
    return [_row(row) for row in _rows(assessment, roles)]


def summary(assessment: Assessment, roles: Mapping[str, str]) -> str:
    """What passed on from the teacher besides accuracy, in one line. Needs the three roles."""
    found = [row.transfer for row in _rows(assessment, roles) if row.transfer is not None]
    return what_else_passed_on(found)


def as_csv(assessment: Assessment, roles: Mapping[str, str] | None = None) -> str:
    """`table` as CSV: a row for each measure and condition, columns value, low and high of each network and the transfer."""
    text = io.StringIO()
    written = csv.writer(text)
    named = {reference: role for role, reference in (roles or {}).items()}
    columns = [named.get(reference, reference) for reference in assessment.references]
    parts = [*columns, "difference", "transfer"]
    written.writerow(
        [
            "condition",
            "measure",
            "unit",
            *(f"{name}{end}" for name in parts for end in ("", "_low", "_high")),
            "sentence",
        ]
    )
    for row in table(assessment, roles):
        values = [row.values.get(reference) for reference in assessment.references]
        numbers = [_cells(each) for each in (*values, row.difference, row.transfer)]
        written.writerow([row.condition, row.measure, row.unit, *chain.from_iterable(numbers), row.transfer_sentence])
    return text.getvalue()


def similarity(one: str, other: str, store: Store, *, images: int = 1000) -> Iterator[Similarity]:
    """CKA between all layers of two networks on clean test images; yields the matrix so far after every batch."""
    workplace = of(store)
    networks = workplace.described([one, other])
    data = samples.common_data(list(networks.values()))
    with workplace.lock:
        split = workplace.sample(data, images).split
        models = workplace.network(one), workplace.network(other)
    steps = alike.similarity(*models, split)
    while True:
        with workplace.lock:
            found = next(steps, None)
        if found is None:
            return
        yield Similarity(one, other, found.rows, found.columns, found.values, found.images, found.pooled)


def sensitivity(
    references: Sequence[str], conditions: Sequence[str], store: Store, *, images: int = 100
) -> Iterator[list[Sensitivity]]:
    """How much the heatmaps change under each condition; yields the rows so far after every batch."""
    workplace = of(store)
    described = workplace.described(list(references))
    data = samples.common_data(list(described.values()))
    wanted = [parse(each) for each in conditions]
    with workplace.lock:
        sample = workplace.sample(data, images)
        networks = {reference: workplace.network(reference) for reference in described}
    steps = maps.sensitivities(networks, sample, wanted)
    while True:
        with workplace.lock:
            found = next(steps, None)
        if found is None:
            return
        yield [_sensitivity(each) for each in found]


def _rows(assessment: Assessment, roles: Mapping[str, str] | None) -> list[tables.Row]:
    outcomes = {
        reference: {parse(text): each for text, each in own.items()} for reference, own in assessment.outcomes.items()
    }
    titles = {parse(text): title(parse(text)) for text in assessment.conditions}
    return tables.rows(outcomes, roles, titles)


def _sensitivity(found: maps.Sensitivity) -> Sensitivity:
    return Sensitivity(
        found.network, str(found.condition), found.map_name, found.images, found.cosine, found.js, found.control["cosine"],
        found.control["js"], found.aligned,
    )  # fmt: skip


def _row(row: tables.Row) -> Row:
    measure, transfer = row.measure, row.transfer
    return Row(
        measure=measure.name,
        title=measure.title,
        sentence=measure.explanation,
        unit=measure.unit,
        higher_is_better={"higher": True, "lower": False}.get(measure.better),
        condition=str(row.condition),
        values={name: values_of(each) for name, each in row.values.items()},
        undefined={name: each.why for name, each in row.values.items() if not each.defined},
        difference=None if row.difference is None else values_of(row.difference),
        transfer=values_of(transfer.share) if transfer and transfer.share.defined else None,
        transfer_sentence=sentence(transfer) if transfer else "",
        over_distilled=bool(transfer and transfer.over_distilled),
        kind=transfer.kind if transfer else "",
    )


def _cells(values: Values | None) -> list[str]:
    return [f"{value:.6g}" if math.isfinite(value) else "" for value in values] if values else ["", "", ""]
