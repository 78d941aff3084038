"""The recipe of a run, in recipe.yaml: written once, before anything else."""

from pathlib import Path

from kdcore import recipe as recipes
from kdcore.files import atomic
from kdcore.files.reading import regular
from kdcore.paths import is_allowed
from kdcore.recipe import Recipe, RecipeError

FILE = "recipe.yaml"


def write(folder: Path, recipe: Recipe) -> None:
    atomic.write_text(folder / FILE, recipe.to_full_yaml())


def read(folder: Path) -> Recipe:
    """A run's recipe. Raises RecipeError, whatever is wrong with the file."""
    path = folder / FILE
    if not is_allowed(path):
        raise RecipeError(f"The recipe {path} is a link to a file outside the folders that this server may read.")
    try:
        regular(path)  # a pipe would block
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror or error}.") from None
    return recipes.load(path)


def written_at(folder: Path) -> int:
    """When the recipe was written, in nanoseconds; 0 where there is none."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return 0
