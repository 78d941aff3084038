"""`sweep`: any number of settings of a recipe, several values each, over several seeds; all, some at random, or by a search."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from kdcore.cli.options import Device, JsonEvents, Overrides, Seeds
from kdcore.cli.study import begin
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
      --vary terms.1.weight=0.1..0.9 --random 20 --seeds 0""",
)


@app.default
def sweep(
    recipe: str,
    *,
    vary: Annotated[list[str], Parameter(metavar="KEY=VALUES")],
    random: Annotated[int | None, Parameter(metavar="N")] = None,
    draw_seed: int = 0,
    overrides: Overrides = None,
    seeds: Seeds = None,
    name: str | None = None,
    device: Device = None,
    as_json: JsonEvents = False,
) -> int:
    """Vary settings of a recipe over several seeds.

    Args:
        recipe: Name of a recipe (assets/recipes) or path of a YAML file.
        vary: A setting and its values: KEY=VALUE,VALUE, or with --random a range: KEY=LOW..HIGH, KEY=LOW..HIGH:log. Repeat for
            more settings; without --random, every combination runs.
        random: Draw N combinations at random instead of all.
        draw_seed: Seed of the draws; the seeds of the runs are --seeds.
        name: Name of the sweep.
    """
    plain: dict[str, Any] = {"name": name or f"{recipe} sweep"[:60], "recipe": recipe, "vary": _all_varied(vary)}
    if random is not None:
        plain["trials"] = {"count": random, "seed": draw_seed}
    return begin(studies.from_plain(plain, source="the sweep"), overrides, seeds, None, device, as_json)


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
