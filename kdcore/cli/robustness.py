"""`robustness`: networks on perturbed test sets, what passes on from a teacher, the sets themselves, and similarity of layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from kdcore.cli.options import Json, Sets, noted, store, writing
from kdcore.cli.progress import bar
from kdcore.cli.robustness_choice import ROLES, expanded, roles_of, wanted
from kdcore.cli.robustness_sets import export_set, list_sets
from kdcore.cli.robustness_tables import as_plain, print_rows, print_transfers
from kdcore.files import atomic
from kdcore.results import json_text
from kdcore.results.comparison import minus
from kdcore.store import Store

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment

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

app.command(list_sets, name="sets")
app.command(export_set, name="export")


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
        print(f"{row:{width}}" + "".join(f"{minus(f'{value:.2f}'):>6}" for value in values))
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


def evaluated(references: Sequence[str], chosen: Sequence[str], count: int, runs: Store) -> "Assessment":
    """The outcomes, computed behind a progress bar as far as they are not kept."""
    import torch

    from kdcore.inspection import robustness as lab

    last = None
    with bar() as show:
        for last in lab.assess(references, chosen, runs, images=count, threads=torch.get_num_threads()):
            show(last.done, last.total, last.seconds_left, last.message or last.condition)
    assert last is not None, "yields once at least"
    if last.unkept:
        noted(f"the outcomes are not kept. {last.unkept}")
    return last.result
