"""Checks, cost and data of a recipe before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdcore.checks import names, preflight
from kdcore.checks.findings import Finding, TeacherCheck
from kdcore.data import datasets
from kdcore.recipe import DataRecipe, Recipe
from pages.parts.engine import process
from pages.parts.engine.guards import operators, visitors
from pages.parts.engine.process import Cost
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from kdcore.data.folders.report import FolderReport
    from kdcore.data.preview import Preview

FOLDER_SECONDS = 1.0  # in which files of a folder are decoded, each time that it is looked through


@operators("estimate a run's cost")
def estimate(recipe: Recipe) -> Cost:
    """What a run will cost. Takes seconds. Raises UserError where the networks do not fit."""
    return process.runner().estimate(recipe)


@operators("check teachers")
def check_teacher(recipe: Recipe) -> TeacherCheck:
    """The check of a recipe's teacher. Takes seconds. Raises UserError where weights or images are missing."""
    return process.runner().check_teacher(recipe)


@operators("check teachers")
def teacher_check_is_quick(recipe: Recipe) -> bool:
    """Whether the teacher can be checked in seconds, without slowing down a run."""
    from kdcore.checks import teacher_check

    known_already = preflight.class_counts(recipe, process.store()) is not None
    return known_already or (not process.runner().active() and teacher_check.is_quick(recipe))


@operators("check recipes on this server")
def findings(recipe: Recipe) -> tuple[Finding, ...]:
    """All that would be refused before a run (verdict `stop`), and warnings about the pair of networks; as the command line
    refuses it."""
    from kdcore.checks import before_run

    return before_run.findings(recipe, process.store())


@visitors
def check_settings(recipe: Recipe) -> None:
    """Refuse what the form cannot show: UserError. It is an unknown dataset, settings that it does not have, or an unknown method. A
    visitor's folder is refused too."""
    _refuse_folder(recipe.data)
    datasets.check(recipe.data)
    names.check_methods(recipe)


@visitors
def check_data(data: DataRecipe) -> None:
    """Refuse data that cannot be used: UserError. A visitor's folder is refused without a look at it."""
    _refuse_folder(data)
    preflight.check_data(data)


@visitors
def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None where that is not known yet."""
    _refuse_folder(data)
    return preflight.data_classes(data)


@visitors
def image_counts(data: DataRecipe) -> dict[str, int]:
    """How many images each split has; no image is read. Raises UserError where the data cannot be used."""
    from kdcore.data import selection

    _refuse_folder(data)
    return selection.counts(data)


@visitors
def perturbed_curves(dataset: str, image_size: int) -> dict[str, str]:
    """The perturbed sets that a run can measure after every epoch, at their usual strengths: condition -> title."""
    from kdcore.checks import perturbed_sets

    return perturbed_sets.possible(dataset, image_size)


@visitors
def set_title(text: str) -> str:
    """A perturbed test set in words, from its text: `patch_scramble@4` -> `Scrambled patches (4)`."""
    from kdcore.robustness import conditions

    return conditions.title_of(text)


@operators("use folders of this server")
def folder_report(data: DataRecipe) -> FolderReport:
    """What a run would use of an own folder, and what is left out. Takes a second or more. Raises UserError."""
    from kdcore.data.folders import report

    return report.report(data, FOLDER_SECONDS)


def _refuse_folder(data: DataRecipe) -> None:
    if data.path is not None and not roles.is_operator():
        watching.refuse("use folders of this server")


@operators("see images of this server")
def preview(data: DataRecipe, count: int, seed: int) -> Preview:
    """A few training images, augmented, with their labels. Raises UserError where the data is missing."""
    from kdcore.data.preview import preview

    return preview(data, count, seed=seed)


@visitors
def student_names() -> tuple[str, ...]:
    """The names of student networks that a form offers."""
    from kdcore import models

    return models.names()
