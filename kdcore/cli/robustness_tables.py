"""The measures of `robustness` as a table, as sentences about what passes on, and as JSON."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from kdcore.results.comparison import Figure, digits

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment, Row

SHOWN = ("accuracy", "relative_accuracy", "shape_bias", "consistency", "ece", "agreement", "error_consistency")


def print_rows(rows: "Sequence[Row]", found: "Assessment", roles: dict[str, str]) -> None:
    """Print a table with the main measures; the CSV has all."""
    names = {reference: role for role, reference in roles.items()}
    console = Console(markup=False, highlight=False)
    table = Table(
        title=f"{found.images:,} test images; 95 % intervals in brackets, where the images allow one",
        title_justify="left",
        box=None,
    )
    for column in ("test set", "measure", *(names.get(each, each) for each in found.references)):
        table.add_column(column, no_wrap=True)
    if difference := len(found.references) > 1:
        both = {"student", "twin"} <= roles.keys()
        pair = ["student", "twin"] if both else [names.get(each, "") for each in found.references[:2]]
        table.add_column(" - ".join(pair) if all(pair) else "first - second", no_wrap=True)
    before = ""
    for row in rows:
        if row.measure in SHOWN:
            values = [cell(row, reference) for reference in found.references]
            last = [text(row.unit, row.difference, difference=True)] if difference else []
            table.add_row(row.condition if row.condition != before else "", row.title, *values, *last)
            before = row.condition
    whole = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, whole)  # numbers stay on their lines
    console.print(table)
    if sizes := found.sizes(names):
        console.print(sizes, soft_wrap=True)


def print_transfers(rows: "Sequence[Row]", summary: str) -> None:
    """Print what passes on or moves away, and the summary."""
    for row in rows:
        if row.kind in ("passes on", "moves away"):
            print(row.transfer_sentence)
    print(f"\n{summary}")


def cell(row: "Row", reference: str) -> str:
    """A value with its interval, or a dash where there is none."""
    return text(row.unit, row.values.get(reference)) if reference not in row.undefined else "-"


def text(unit: str, values: tuple[float, float, float] | None, *, difference: bool = False) -> str:
    """`13.7 [10.2, 17.1]`; without brackets where the images are too few for an interval. No end of a difference's looks like 0."""
    if values is None or math.isnan(values[0]):
        return "-" if values is not None else ""
    scale, least = (100, 1) if unit == "share" else (1, 2)
    shown = digits(Figure(*values), scale, least) if difference else least
    value, low, high = (f"{round(scale * each, shown) + 0.0:.{shown}f}" for each in values)
    return f"{value} [{low}, {high}]" if math.isfinite(values[1]) else value


def as_plain(row: "Row") -> dict[str, Any]:
    """A row of the table for JSON; shares are fractions."""

    def numbers(values: tuple[float, float, float] | None) -> dict[str, float] | None:
        return None if values is None else dict(zip(("value", "low", "high"), values, strict=True))

    return {
        "condition": row.condition, "measure": row.measure, "unit": row.unit, "higher_is_better": row.higher_is_better,
        "values": {reference: numbers(each) for reference, each in row.values.items()}, "undefined": row.undefined,
        "difference": numbers(row.difference), "transfer": numbers(row.transfer), "kind": row.kind,
        "over_distilled": row.over_distilled, "sentence": row.transfer_sentence,
    }  # fmt: skip
