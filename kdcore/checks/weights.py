"""Loads the weights of a recipe's networks once before the run, so that those which do not fit are refused."""

import torch

from kdcore import methods, models
from kdcore.models import pretrained, sources
from kdcore.recipe import ModelRecipe, Recipe, TeacherRecipe
from kdcore.recipe.references import Pretrained, RandomWeights
from kdcore.runtime.once import once
from kdcore.store import Store


def check(recipe: Recipe, classes: tuple[str, ...], runs: Store | None, *, with_teacher: bool) -> None:
    """Refuse weights that cannot be loaded into their network: damaged ones, those of another network, other classes.

    Args:
        with_teacher: False where its classes are refused already.

    Raises:
        UserError: as `models.build`.
    """
    side = recipe.data.image_size
    if recipe.teacher and with_teacher:
        own = not methods.compares_classes(recipe.terms)
        _check(recipe.teacher, classes, recipe.teacher_size, runs, own_classes=own)
    _check(recipe.student, classes, side, runs)


def _check(
    spec: ModelRecipe, classes: tuple[str, ...], side: int, runs: Store | None, *, own_classes: bool = False
) -> None:
    if isinstance(spec.reference, RandomWeights) or models.missing(spec, runs):
        return
    teacher = isinstance(spec, TeacherRecipe)
    _loaded(spec.model_dump_json(), teacher, classes, side, own_classes, runs, version(spec, runs))


@once(maxsize=64)
def _loaded(
    spec: str, teacher: bool, classes: tuple[str, ...], side: int, own_classes: bool, runs: Store | None, version: str
) -> None:
    """Only that it was loaded is remembered, not the network. `version` is that of the file."""
    kind = TeacherRecipe if teacher else ModelRecipe
    with torch.random.fork_rng(devices=[]):
        models.build(kind.model_validate_json(spec), classes, side, runs=runs, own_classes=own_classes)


def version(spec: ModelRecipe, runs: Store | None) -> str:
    """What differs where the file of a network's weights has changed."""
    if isinstance(spec.reference, Pretrained):
        assert spec.model is not None
        file = pretrained.found(spec.model)
    else:
        source = sources.find(spec.weights, runs)
        if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
            return "" if isinstance(source.reference, RandomWeights) else version(source, runs)
        file = source.path
    if file is None:
        return ""
    found = file.stat()
    return f"{file} {found.st_size} {found.st_mtime_ns}"
