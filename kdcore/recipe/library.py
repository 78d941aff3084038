"""The recipes and studies that come with the project, by name. A name is a path under its folder: `failures/random-teacher`."""

import difflib
from pathlib import Path

from kdcore import recipe as recipes
from kdcore.errors import shortened
from kdcore.paths import ASSETS
from kdcore.recipe import Recipe, RecipeError

LONGEST_NAME = 80  # that is compared with the known ones


def recipe_names() -> tuple[str, ...]:
    return names(ASSETS / "recipes")


def recipe(name: str) -> Recipe:
    """A recipe by its name in assets/recipes, or by its path. Raises RecipeError with the names there are."""
    return recipes.load(find(name, ASSETS / "recipes", "recipe"))


def names(folder: Path) -> tuple[str, ...]:
    """What a folder and its folders hold, without the suffix; those at the top first."""
    found = (file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))
    return tuple(sorted(found, key=lambda name: (name.count("/"), name)))


def find(name: str, folder: Path, kind: str) -> Path:
    """The file of a name, or of a path. A part of a name never leads out of the folder."""
    if name in names(folder):
        return folder / f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml") or _is_file(name):
        return Path(name)
    near = difflib.get_close_matches(name[:LONGEST_NAME], names(folder), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise RecipeError(
        f"There is no {kind} {shortened(name)}.{hint} Known: {', '.join(names(folder))}; or give the path of a YAML file."
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a path can be, or with a zero byte
        return False
