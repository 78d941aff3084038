"""Command lines of docs/results.md as the runs that they start."""

import shlex
from typing import Any

from kdcore import recipe as recipes
from kdcore.cli.arguments import rewritten
from kdcore.cli.main import app
from kdcore.cli.sweep import varied
from kdcore.recipe import library
from kdcore.recipe import study as studies
from kdcore.recipe.study import Point, Study


def points(command: str, label: str = "") -> list[Point]:
    """The runs of `distill ...`, `study NAME ...` or `sweep ...`, as on the command line.

    Args:
        label: the variant of a `distill` command; by default the recipe's name.
    """
    words = shlex.split(command)
    _, bound, _ = app.parse_args(rewritten(app, words), exit_on_error=False, print_error=False)
    given = bound.arguments
    if words[0] != "distill":
        return studies.points(_study(words[0], given))
    recipe = library.recipe(given["recipe"])
    if changes := given.get("overrides"):
        recipe = recipes.with_overrides(recipe, changes)
    seeds = given.get("seeds") or recipe.seeds
    return [Point(label or recipe.name, seed, recipe.model_copy(update={"seeds": (seed,)})) for seed in seeds]


def _study(noun: str, given: dict[str, Any]) -> Study:
    if noun == "study":
        study = studies.named(given["study"])
    else:
        vary = dict(map(varied, given["vary"]))
        study = studies.from_plain({"name": f"{given['recipe']} sweep", "recipe": given["recipe"], "vary": vary})
    if seeds := given.get("seeds"):
        study = studies.from_plain({**studies.to_plain(study), "seeds": seeds})
    return studies.resolved(study, given.get("overrides"))
