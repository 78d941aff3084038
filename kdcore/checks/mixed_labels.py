"""Refuses terms that cannot use mixed images (mixup, CutMix), and warns of label smoothing beside a teacher's soft labels."""

from kdcore import methods
from kdcore.recipe import Recipe, RecipeError


def check(recipe: Recipe) -> None:
    """Refuse mixed images where a term needs one label for each. Raises RecipeError."""
    if not recipe.data.mixed:
        return
    able = ", ".join(name for name in methods.names() if not methods.get(name).why_not_mixed())
    for term in recipe.terms:
        if why := methods.get(term.method).why_not_mixed():
            raise RecipeError(
                f"The term {term.label!r} cannot use mixed images (`data.mixup`, `data.cutmix`), since {why}: set both to 0, "
                f"or use another method. These can: {able}."
            )


def warnings(recipe: Recipe) -> list[str]:
    """Sentences on label smoothing beside terms that have soft labels."""
    smoothed = [term.label for term in recipe.terms if methods.get(term.method).label_smoothing(term.options)]
    soft = [term.label for term in recipe.terms if methods.get(term.method).softens(term.options)]
    found = []
    if smoothed and soft:
        found.append(
            f"{smoothed[0]} smooths the labels, and {soft[0]} has the teacher's soft labels already: the smoothed part, equal for "
            "all classes, pulls the student away from them. Smoothing is for training on labels alone; the twin has it too, so "
            f"the comparison stays fair. Set the option `smoothing` of {smoothed[0]} to 0."
        )
    return found
