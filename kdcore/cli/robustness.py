"""`robustness`: networks on perturbed test sets, what passes on from a teacher, the sets themselves, and similarity of layers."""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import App, Parameter
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kdcore.cli.options import Json, store, writing
from kdcore.errors import UserError, shortened
from kdcore.files import atomic
from kdcore.recipe.references import RUN
from kdcore.results import json_text
from kdcore.store import Store

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment, Row

EVALUATIONS = ("quick", "full", "corruptions")
ROLES = ("teacher", "student", "twin")
SHOWN = ("accuracy", "relative_accuracy", "shape_bias", "consistency", "ece", "agreement", "error_consistency")

Sets = Annotated[
    list[str] | None,
    Parameter(
        name="--sets",
        consume_multiple=(1, None),
        metavar="SET...",
        help="quick (a set of each kind, 1,000 images), full (every set and strength), corruptions, or names of sets with or "
        "without a strength, such as low_pass patch_scramble@4. Default: quick.",
    ),
]
Images = Annotated[int | None, Parameter(help="How many test images. Default: 1,000 of quick, else all, up to 10,000.")]

app = App(
    name="robustness",
    help_epilogue="""run:ID stands for a run's teacher, student and twin. Of these three, and of
bundled ones that belong together, the transfer from the teacher is shown.
Outcomes are kept with the run (or in KD_DATA/robustness) and reused; after an
interruption only what is missing is computed.

Examples:

  python -m kdcore robustness cifar10-teacher cifar10-student cifar10-twin
  python -m kdcore robustness run:ID --sets full --csv measures.csv
  python -m kdcore robustness cues-twin --sets cues_conflict low_pass@8
  python -m kdcore robustness sets                 every test set
  python -m kdcore robustness export fog@3 fog.zip --network cifar10-student
  python -m kdcore robustness similarity cifar10-teacher cifar10-student
  python -m kdcore robustness self-test            check the instruments""",
)


@app.default
def robustness(
    networks: Annotated[list[str], Parameter(help="Bundled models, run:ID, run:ID/student, or .safetensors files.")],
    /,
    *,
    sets: Sets = None,
    images: Images = None,
    csv: Path | None = None,
    as_json: Json = False,
) -> int:
    """Evaluate networks on perturbed test sets: measures with intervals, and what passes on from a teacher.

    Args:
        csv: Also write every measure to this file.
    """
    if csv is not None:
        with writing(csv):
            pass  # refused before anything is computed
    from kdcore.inspection import robustness as lab

    runs = store()
    references = expanded(networks, runs)
    chosen, which = wanted(sets or ["quick"], references, runs)
    count = images if images is not None else lab.default_images(which, references, runs)
    found = evaluated(references, chosen, count, runs)
    roles = roles_of(references, runs)
    rows = lab.table(found, roles)
    if csv is not None:
        with writing(csv):
            atomic.write_text(csv, lab.as_csv(found, roles))
    if as_json:
        print(json_text.text([as_plain(row) for row in rows]))
        return 0
    print_rows(rows, found, roles)
    if roles.keys() >= set(ROLES):
        print_transfers(rows, lab.summary(found, roles))
    if csv is not None:
        print(f"written: {csv}")
    return 0


@app.command(name="sets")
def list_sets(name: str | None = None, /, *, as_json: Json = False) -> int:
    """List the test sets, or print the card of one.

    Args:
        name: Of one set.
    """
    from kdcore.data import perturbations
    from kdcore.robustness import conditions

    names = perturbations.names() if name is None else (conditions.parse(name).set_name,)
    if as_json:
        print(json_text.text([card(each) for each in names]))
        return 0
    if name is not None:
        found = card(names[0])
        print(f"{found['title']} ({names[0]})\n\n{found['summary']}\n")
        print(
            f"Strength: {found['parameter']}; {', '.join(f'{each:g}' for each in found['strengths'])}, usually {found['usual']:g}"
        )
        print(f"Source: {found['source']}")
        return 0
    width = max(map(len, names))
    for each in names:
        found = card(each)
        strengths = ", ".join(f"{strength:g}" for strength in found["strengths"])
        print(f"{each:{width}}  {found['probes']:12}  {found['title']}; {found['parameter']}: {strengths}")
    print("\nMore about one: python -m kdcore robustness sets NAME")
    return 0


@app.command(name="export")
def export_set(condition: str, path: Path, /, *, network: str = "cifar10-student", images: int = 100) -> int:
    """Write the images of a test set as PNG files in a zip, with a manifest.

    Args:
        condition: A set with or without a strength, such as fog@3; or clean.
        path: The zip file to write.
        network: The images are those of this network's data, at its size.
        images: How many.
    """
    with writing(path):
        pass
    from kdcore.inspection import robustness as lab

    runs = store()
    (reference,) = expanded([network], runs)[:1]
    content = lab.export(reference, condition, runs, images=images)
    with writing(path):
        atomic.write_bytes(path, content)
    print(f"written: {path} ({len(content) / 1e6:.1f} MB)")
    return 0


@app.command
def similarity(one: str, other: str, /, *, images: int = 1000, as_json: Json = False) -> int:
    """Similarity of the layers of two networks (linear CKA): 1 for the same up to rotation and scale, about 0 for unrelated.

    Args:
        one: A network, its layers are the rows.
        other: Another one, its layers are the columns.
        images: Test images.
    """
    from kdcore.inspection import robustness as lab

    *_, found = lab.similarity(one, other, store(), images=images)
    if as_json:
        plain = {"rows": found.rows, "columns": found.columns, "values": found.values.tolist(), "images": found.images}
        print(json_text.text(plain | {"pooled": found.pooled}))
        return 0
    width = max(map(len, found.rows))
    print(f"Linear CKA on {found.images} images; rows: {one}, columns: {other}\n")
    for place, column in enumerate(found.columns, start=1):
        print(f"{place:3}  {column}")
    print("\n" + " " * width + "".join(f"{place:6}" for place in range(1, len(found.columns) + 1)))
    for row, values in zip(found.rows, found.values, strict=True):
        print(f"{row:{width}}" + "".join(f"{value:6.2f}" for value in values))
    if found.pooled:
        print(f"\nAveraged over space, because their outputs are large: {', '.join(found.pooled)}")
    return 0


@app.command(name="self-test")
def self_test(*, as_json: Json = False) -> int:
    """Check the instruments: networks whose measures are known beforehand are measured as such. Takes some seconds."""
    from dataclasses import asdict

    from kdcore.robustness import self_test as instruments

    found = list(instruments.self_test())
    if as_json:
        print(json_text.text([asdict(each) for each in found]))
    else:
        for each in found:
            print(f"{'ok  ' if each.passed else 'FAIL'} {each.title}: {each.found}")
    return 0 if all(each.passed for each in found) else 1


def expanded(networks: Sequence[str], runs: Store) -> list[str]:
    """References, of which `run:ID` is a run's teacher, student and twin as far as it has them. Raises UserError."""
    from kdcore.inspection import robustness as lab

    found: list[str] = []
    there = [network.reference for network in lab.networks(runs)]
    for reference in networks:
        whole = reference if reference.startswith(RUN) else f"{RUN}{reference}"
        of_run = [f"{whole}/{role}" for role in ROLES if f"{whole}/{role}" in there]
        found += of_run or [reference]
    return list(dict.fromkeys(found))


def roles_of(references: Sequence[str], runs: Store) -> dict[str, str]:
    """Teacher, student and twin among these networks, where exactly one family of them is complete; else none."""
    from kdcore.inspection import robustness as lab

    there = [
        family.roles
        for family in lab.families(runs)
        if set(ROLES) <= family.roles.keys() and set(family.roles.values()) <= set(references)
    ]
    return there[0] if len(there) == 1 else {}


def wanted(sets: Sequence[str], references: Sequence[str], runs: Store) -> tuple[list[str], Any]:
    """Conditions, and the evaluation whose number of images is the default. Raises UserError at an unknown name."""
    from kdcore.inspection import robustness as lab
    from kdcore.robustness import conditions

    if len(sets) == 1 and (which := sets[0]) in EVALUATIONS:
        return lab.conditions(cast(lab.Which, which), references, runs), which
    if mixed := [each for each in sets if each in EVALUATIONS]:
        raise UserError(f"--sets has {shortened(mixed[0])} among names of sets: give it alone, or names alone.")
    return list(map(str, conditions.parse_all(sets))), "full"


def evaluated(references: Sequence[str], chosen: Sequence[str], count: int, runs: Store) -> "Assessment":
    """The outcomes, computed behind a progress bar as far as they are not kept."""
    import torch

    from kdcore.inspection import robustness as lab

    last = None
    with bar() as show:
        for last in lab.assess(references, chosen, runs, images=count, threads=torch.get_num_threads()):
            show(last.done, last.total, last.seconds_left, last.message or last.condition)
    assert last is not None, "yields once at least"
    return last.result


@contextmanager
def bar() -> Iterator[Any]:
    """A progress bar on standard error, which disappears at the end."""
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=None, left="")

        def show(done: float, total: float, seconds: float | None, what: str) -> None:
            left = "" if seconds is None else f"{seconds:.0f} s left"
            progress.update(task, completed=done, total=total or 1, description=what, left=left)

        yield show


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
        table.add_column("student - twin" if "twin" in roles else "first - second", no_wrap=True)
    before = ""
    for row in rows:
        if row.measure in SHOWN:
            values = [cell(row, reference) for reference in found.references]
            last = [text(row.unit, row.difference)] if difference else []
            table.add_row(row.condition if row.condition != before else "", row.title, *values, *last)
            before = row.condition
    whole = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, whole)  # numbers stay on their lines
    console.print(table)


def print_transfers(rows: "Sequence[Row]", summary: str) -> None:
    """Print what passes on or moves away, and the summary."""
    for row in rows:
        if row.kind in ("passes on", "moves away"):
            print(row.transfer_sentence)
    print(f"\n{summary}")


def cell(row: "Row", reference: str) -> str:
    """A value with its interval, or a dash where there is none."""
    return text(row.unit, row.values.get(reference)) if reference not in row.undefined else "-"


def text(unit: str, values: tuple[float, float, float] | None) -> str:
    """`13.7 [10.2, 17.1]`; without brackets where the images are too few for an interval."""
    if values is None or math.isnan(values[0]):
        return "-" if values is not None else ""
    scale, digits = (100, 1) if unit == "share" else (1, 2)
    value, low, high = (f"{round(scale * each, digits) + 0.0:.{digits}f}" for each in values)
    return f"{value} [{low}, {high}]" if math.isfinite(values[1]) else value


def card(name: str) -> dict[str, Any]:
    """A set's card as plain data."""
    from kdcore.data import perturbations

    found = perturbations.get(name)
    return {
        "name": name, "title": found.title, "summary": found.summary, "probes": found.probes, "parameter": found.parameter,
        "strengths": [float(each) for each in found.strengths], "usual": float(found.usual), "source": found.source,
        "cached": found.cached, "cue_conflict": found.conflict,
    }  # fmt: skip


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
