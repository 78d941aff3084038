"""`sweep`: one or two settings of a recipe, several values each, over several seeds."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from kdcore.cli.options import Device, JsonEvents, Overrides, Seeds
from kdcore.cli.study import begin
from kdcore.errors import shortened
from kdcore.recipe import RecipeError, yaml_text
from kdcore.recipe import study as studies

app = App(
    name="sweep",
    help_epilogue="""A sweep is a study: `study list` lists it, `study resume ID` continues it.

Examples:

  python -m kdcore sweep quick --vary optimizer.lr=1e-3,2e-3 --seeds 0 1 2
  python -m kdcore sweep quick --vary optimizer.lr=1e-3,2e-3 \\
      --vary terms.1.temperature=1,4""",
)


@app.default
def sweep(
    recipe: str,
    *,
    vary: Annotated[list[str], Parameter(metavar="KEY=VALUE,VALUE")],
    overrides: Overrides = None,
    seeds: Seeds = None,
    name: str | None = None,
    device: Device = None,
    as_json: JsonEvents = False,
) -> int:
    """Vary one or two settings of a recipe over several seeds.

    Args:
        recipe: Name of a recipe (assets/recipes) or path of a YAML file.
        vary: A setting and its values. Twice: a grid of two settings.
        name: Name of the sweep.
    """
    plain = {"name": name or f"{recipe} sweep"[:60], "recipe": recipe, "vary": dict(map(varied, vary))}
    return begin(studies.from_plain(plain, source="the sweep"), overrides, seeds, None, device, as_json)


def varied(text: str) -> tuple[str, list[Any]]:
    """`optimizer.lr=1e-3,2e-3` -> the setting and its values, read as YAML."""
    key, equals, values = text.partition("=")
    if not equals or not values.strip():
        raise RecipeError(f"{shortened(text)} is not KEY=VALUE,VALUE, for example optimizer.lr=1e-3,2e-3.")
    return key.strip(), yaml_text.read(f"[{values}]", source=f"The list of values in {shortened(text)}")
