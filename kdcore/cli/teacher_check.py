"""`check-teacher` (also `examine`): what a recipe's teacher is worth, before a run."""

from dataclasses import asdict

from cyclopts import App
from rich.console import Console
from rich.text import Text

from kdcore import recipe as recipes
from kdcore.checks.findings import TeacherCheck
from kdcore.cli.options import Device, Json, Overrides, store, torch_device
from kdcore.recipe import library
from kdcore.results import json_text

COLOURS = {"ok": "green", "warn": "yellow", "stop": "red"}

app = App(
    name="check-teacher",
    help_epilogue="""The exit status is 1 where a run with this teacher would be refused.

Examples:

  python -m kdcore check-teacher quick
  python -m kdcore check-teacher my.yaml --set teacher.weights=cues-teacher --json""",
)


@app.default
def check_teacher(recipe: str, *, overrides: Overrides = None, device: Device = None, as_json: Json = False) -> int:
    """Check a recipe's teacher on a few hundred images: accuracy, classes, normalisation, calibration, soft labels.

    Args:
        recipe: Name of a recipe (assets/recipes) or path of a YAML file.
    """
    from kdcore.checks import teacher_check

    chosen = recipes.with_overrides(library.recipe(recipe), overrides or [], option="--set")
    checked = teacher_check.check(chosen, device=torch_device(device), runs=store())
    if as_json:
        print(json_text.text({"verdict": checked.verdict, **asdict(checked)}))
    else:
        show(checked)
    return 1 if checked.verdict == "stop" else 0


def show(checked: TeacherCheck) -> None:
    """Print a line per finding."""
    console = Console(highlight=False, markup=False)
    if not checked.findings:
        console.print("This recipe has no teacher.")
    for finding in checked.findings:
        verdict = Text(f"{finding.verdict:5} ", style=COLOURS[finding.verdict])
        console.print(verdict.append(f"{finding.check:14} {finding.in_words}", style="default"))
    if checked.images:
        console.print(f"{checked.images} images in {checked.seconds:.1f} s.")
