"""`examine`: what a recipe's teacher is worth, before the run."""

import json
from argparse import Namespace
from dataclasses import asdict

from rich.console import Console

from kdcore import recipe as recipes
from kdcore.checks.findings import Examination
from kdcore.cli.commands import named_recipe, store

COLOURS = {"ok": "green", "warn": "yellow", "stop": "red"}


def examine(options: Namespace) -> int:
    """Returns 1 where the doctor says stop, so that a script can ask before it starts a run."""
    import torch

    from kdcore.checks import teacher_check

    recipe = recipes.with_overrides(named_recipe(options.recipe), options.overrides)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    examination = teacher_check.examine(recipe, device=device, runs=store())
    if options.json:
        print(json.dumps({"verdict": examination.verdict, **asdict(examination)}))
    else:
        show(examination)
    return 1 if examination.verdict == "stop" else 0


def show(examination: Examination) -> None:
    console = Console(highlight=False)
    if not examination.findings:
        console.print("This recipe has no teacher.")
    for finding in examination.findings:
        console.print(f"[{COLOURS[finding.verdict]}]{finding.verdict:5}[/] {finding.check:14} ", end="")
        console.print(finding.in_words, markup=False)
    if examination.images:
        console.print(f"{examination.images} images in {examination.seconds:.1f} s.", markup=False)
