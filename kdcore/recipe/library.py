"""The bundled recipes and studies by name. A name is a path under its folder: `failures/random-teacher`."""

import difflib
from pathlib import Path

from kdcore import recipe as recipes
from kdcore.errors import shortened
from kdcore.paths import ASSETS
from kdcore.recipe import Recipe, RecipeError

LONGEST_NAME = 80  # longer ones are not compared with the known names
OLD_NAMES = {
    "s0": "dynamic-attention",
    "s1": "two-classes",
    "s2": "adaptive-hints",
    "s2-adaptive": "adaptive-hints",
    "s2-static": "adaptive-hints-constant",
    "s2-selective": "adaptive-hints-selective",
    "s2-baseline": "adaptive-hints-baseline",
    "s2-40": "adaptive-hints-40-epochs",
    "s2-side": "adaptive-hints-settings",
    "s3": "class-space",
    "s4-vit-to-cnn": "vit-to-cnn",
    "s4-cnn-to-vit": "cnn-to-vit",
}  # earlier names, still read in studies and on command lines; a suffix (`-small`, `-long`) is kept


def recipe_names() -> tuple[str, ...]:
    return names(ASSETS / "recipes")


def recipe(name: str) -> Recipe:
    """A recipe by its name in assets/recipes, or by its path. Raises RecipeError with the known names."""
    return recipes.load(find(name, ASSETS / "recipes", "recipe"))


def names(folder: Path) -> tuple[str, ...]:
    """The YAML files of a folder and its subfolders, without the suffix; those at the top first."""
    found = (file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))
    return tuple(sorted(found, key=lambda name: (name.count("/"), name)))


def find(name: str, folder: Path, kind: str) -> Path:
    """The file of a name, of an old name, or of a path. A name never leads out of the folder."""
    for known in (name, current_name(name)):
        if known in names(folder):
            return folder / f"{known}.yaml"
    if Path(name).suffix in (".yaml", ".yml") or _is_file(name):
        return Path(name)
    near = difflib.get_close_matches(current_name(name)[:LONGEST_NAME], names(folder), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise RecipeError(
        f"There is no {kind} {shortened(name)}.{hint} Known: {', '.join(names(folder))}; or give the path of a YAML file."
    )


def current_name(name: str) -> str:
    """The present name for an old one, `s2-static-small` -> `adaptive-hints-constant-small`; any other as it is."""
    words = name[:LONGEST_NAME].split("-")
    for count in range(len(words), 0, -1):
        if (old := "-".join(words[:count])) in OLD_NAMES:
            return OLD_NAMES[old] + name[len(old) :]
    return name


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a path can be, or with a zero byte
        return False
