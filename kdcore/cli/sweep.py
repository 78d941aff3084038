"""`sweep`: any number of settings of a recipe, several values each, over several seeds; all, some at random, or by a search."""

from pathlib import PurePath
from typing import Annotated, Any

from cyclopts import App, Parameter

from kdcore.cli.options import Overrides, Seeds
from kdcore.cli.study import HERE, begin
from kdcore.cli.where import Where
from kdcore.errors import UserError, shortened
from kdcore.recipe import RecipeError, trials, yaml_text
from kdcore.recipe import study as studies

app = App(
    name="sweep",
    help_epilogue="""A sweep is a study: `study list` lists it, `study resume ID` continues it.

Examples:

  python -m kdcore sweep quick --vary optimizer.lr=1e-3,2e-3 --seeds 0 1 2
  python -m kdcore sweep quick --vary optimizer.lr=1e-3,2e-3 \\
      --vary terms.1.temperature=1,4 --vary epochs=5,10
  python -m kdcore sweep quick --vary optimizer.lr=1e-4..1e-2:log \\
      --vary terms.1.weight=0.1..0.9 --random 20 --seeds 0
  python -m kdcore sweep quick --vary optimizer.lr=1e-4..1e-2:log \\
      --search 20 --on ray --address auto""",
)


@app.default
def sweep(
    recipe: str,
    *,
    vary: Annotated[list[str], Parameter(metavar="KEY=VALUES")],
    random: Annotated[int | None, Parameter(metavar="N")] = None,
    search: Annotated[int | None, Parameter(metavar="N")] = None,
    draw_seed: int = 0,
    keep_all: Annotated[bool, Parameter(show_default=False)] = False,
    overrides: Overrides = None,
    seeds: Seeds = None,
    name: str | None = None,
    at: Where = HERE,
) -> int:
    """Vary settings of a recipe over several seeds.

    Args:
        recipe: Name of a recipe (assets/recipes) or path of a YAML file.
        vary: A setting and its values: KEY=VALUE,VALUE, or with --random or --search a range: KEY=LOW..HIGH,
            KEY=LOW..HIGH:log. Repeat for more settings; without --random and --search, every combination runs.
        random: Draw N combinations at random instead of all.
        search: Try N combinations one after another, each chosen by Optuna (TPE) from the validation accuracy of those before.
            Test images decide nothing. Default seed: 0 alone.
        draw_seed: Seed of the draws; the seeds of the runs are --seeds.
        keep_all: With --search, let all trials end, also those below the median.
        name: Name of the sweep.
    """
    plain: dict[str, Any] = {"name": name or title(recipe), "recipe": recipe, "vary": _all_varied(vary)}
    if random is not None and search is not None:
        raise UserError("--random draws all combinations at once, --search one after another: give one of the two.")
    if random is not None:
        plain["trials"] = {"count": random, "seed": draw_seed}
    if search is not None:
        plain["trials"] = {"count": search, "seed": draw_seed, "by": "tpe", "prune": not keep_all}
        seeds = seeds or [0]
    return begin(studies.from_plain(plain, source="the sweep"), overrides, seeds, None, at)


def title(recipe: str) -> str:
    """A sweep's name by that of its recipe, without the folders of a file, which others need not see."""
    return f"{PurePath(recipe).stem} sweep"[:60]


def _all_varied(texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        key, values = varied(text)
        if key in found:
            raise UserError(f"--vary names {shortened(key)} twice: give all its values at once, as in {key}=1,2.")
        found[key] = values
    return found


def varied(text: str) -> tuple[str, Any]:
    """`optimizer.lr=1e-3,2e-3` -> the setting and its values, read as YAML; `optimizer.lr=1e-3..1e-2` -> the setting and a range."""
    key, equals, values = text.partition("=")
    if not equals or not values.strip():
        raise RecipeError(f"{shortened(text)} is not KEY=VALUE,VALUE, for example optimizer.lr=1e-3,2e-3.")
    if "," not in values and (found := trials.range_of(values)):
        return key.strip(), found.model_dump()
    return key.strip(), yaml_text.read(f"[{values}]", source=f"The list of values in {shortened(text)}")
