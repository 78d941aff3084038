"""`data`: what a run would use of a user's own images, what is left out and why, and duplicates, before a run."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from kdcore import recipe as recipes
from kdcore.cli.options import Json
from kdcore.data import datasets
from kdcore.data.encoded import Encoded
from kdcore.data.folders import report, stored
from kdcore.data.folders.report import FolderReport
from kdcore.data.selection import IN_WORDS
from kdcore.files import disk
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe
from kdcore.results import json_text

MOST_CLASSES = 30  # rows of the table
BEFORE_A_RUN = 1.0  # seconds in which files are decoded; the run itself decodes all

app = App(
    name="data",
    help_epilogue="""Examples:

  python -m kdcore data ~/photos              classes, splits, files left out
  python -m kdcore data ~/shards              tar shards, as WebDataset writes them
  python -m kdcore data uoft-cs/cifar10       a dataset of the Hugging Face hub
  python -m kdcore data ~/photos --json

The folder holds one folder of images for each class, or train/ and test/ (and
val/) with such folders in them, or tar shards, or a dataset that the package
`datasets` saved. A dataset of the hub is downloaded first, where it is not here.
Every image is decoded; nothing is changed.""",
)


@app.default
def data(
    path: Annotated[str, Parameter(name="PATH")],
    /,
    *,
    validation: float = DataRecipe().validation,
    seed: int = 0,
    anew: bool = False,
    as_json: Json = False,
) -> int:
    """Report on a folder of images or shards: classes, images of each split, what is left out and why, duplicates.

    Args:
        path: The folder, or the name of a dataset of the Hugging Face hub.
        validation: Share of the training images used for validation, where there is no folder for it.
        seed: Random seed of the splits: data.seed of a recipe.
        anew: List the folder anew. Only needed where a file of a large folder (5,000 images or more) was replaced under its old name.
    """
    settings = {"name": kind(path), "path": path, "validation": validation, "seed": seed}
    whole = {"data": settings, "student": {"model": "five_conv"}}  # a recipe needs one; it is not built
    chosen = recipes.from_plain(whole, source="the command line").data
    progress = lambda text: print(text, file=sys.stderr)  # noqa: E731
    if isinstance(dataset := datasets.of(chosen, progress), Encoded):
        dataset.fetch()
        if anew:
            forget(chosen.name, Path(path))
    found = report.report(chosen, report.WHOLE, progress=progress)
    if as_json:
        print(json_text.text(asdict(found)))
    else:
        show(found, Console(highlight=False, markup=False))
    return 0


def forget(name: str, path: Path) -> None:
    """Remove the stored listing of a folder. Raises UserError."""
    with disk.in_words(data_folder(), then="try it again"):
        stored.forget(name, Path(os.path.expanduser(path)))


def kind(path: str) -> str:
    """The dataset that reads a folder, by what is in it."""
    found = (
        name
        for name in datasets.names("folder")
        if issubclass(known := datasets.get(name), Encoded) and known.recognises(Path(os.path.expanduser(path)))
    )
    return next(found, "folder")


def show_before(chosen: DataRecipe) -> frozenset[str]:
    """The report on a recipe's own folder on standard error, before a run; nothing for other datasets.

    Returns:
        the notes of the run that say the same.
    """
    if not report.covers(chosen):
        return frozenset()
    found = report.report(chosen, BEFORE_A_RUN)
    show(found, Console(highlight=False, markup=False, stderr=True))
    return frozenset((found.summary(), *found.warnings))


def show(found: FolderReport, console: Console) -> None:
    """Print the headline, the images of each class, and all remarks."""
    console.print(f"{found.folder}: {found.headline}", soft_wrap=True)
    table = Table("class", *(IN_WORDS.get(split, split) for split in found.counts), box=None)
    for place, name in enumerate(found.classes[:MOST_CLASSES]):
        table.add_row(name, *(f"{counts[place]:,}" for counts in found.counts.values()))
    console.print(table)
    if len(found.classes) > MOST_CLASSES:
        console.print(f"  and {len(found.classes) - MOST_CLASSES} more classes")
    for line in found.lines():
        console.print(f"- {line}", style="yellow" if line in found.warnings else None, soft_wrap=True)
