"""Refuses recipes that cannot run, before anything is built: dataset settings, labels, classes, weight files.

Reads names, cards and headers only; loads no torch and no image. Used by forms, runner and command line.
"""

import json
from pathlib import Path
from typing import Any

from kdcore.checks import names
from kdcore.checks.findings import Finding, Remedy
from kdcore.data import datasets, selection
from kdcore.errors import UserError, clipped
from kdcore.paths import bundled_model, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError, TeacherRecipe, weight_header, weight_places
from kdcore.recipe.references import Bundled, LibraryNetwork, Pretrained, RunNetwork, WeightFile
from kdcore.store import Store

MAP_CLASSES = Remedy("Keep only those of its classes that the data has, by name", ("teacher.map_classes=true",))


def check(recipe: Recipe, runs: Store | None = None) -> None:
    """Refuse a recipe that cannot run, as far as that is known without reading weights or images.

    Raises:
        UserError: settings of the data that cannot work, a teacher with another number of classes than the data, or a
            damaged weight file; with the remedies.
    """
    check_names_and_data(recipe, runs)
    if (found := class_counts(recipe, runs)) and found.verdict == "stop":
        raise RecipeError(found.in_words)


def check_names_and_data(recipe: Recipe, runs: Store | None = None) -> None:
    """Refuse names that do not exist, settings of the data that cannot work, and damaged weight files. Raises UserError."""
    names.check(recipe)
    check_data(recipe.data)
    check_weight_files(recipe, runs)


def check_data(data: DataRecipe) -> None:
    """Refuse an unknown dataset, settings that it cannot work with, an empty split, and impossible numbers of labels.

    Raises:
        UserError: with what to change.
    """
    selection.check(data)


def check_weight_files(recipe: Recipe, runs: Store | None = None) -> None:
    """Refuse weights that are not there, a pickle, and a weight file with an invalid header. Raises RecipeError."""
    for spec in (recipe.teacher, recipe.student):
        try:
            match spec and spec.reference:
                case WeightFile() as reference:
                    weight_header.description(weight_places.weight_file(reference))
                case Bundled(name) if runs is None or name.partition("/")[0] not in runs.ids():
                    weight_places.bundled_file(name)
        except UserError as error:
            raise RecipeError(str(error)) from None


def class_counts(recipe: Recipe, runs: Store | None = None) -> Finding | None:
    """A stop where teacher and data have different numbers of classes; None otherwise, or where these are not known yet."""
    teacher, data = recipe.teacher, recipe.data
    if teacher is None or teacher.finetune is not None:
        return None  # fine-tuning replaces the classifier by one for this data
    wanted, has = data_classes(data), weight_classes(teacher, runs)
    if wanted is None or has is None or wanted == has:
        return None  # names are compared when the weights are loaded
    if not _compares_classes(recipe):
        return None
    if teacher.map_classes and has > wanted:
        return None  # loading the weights looks for each class by name
    also = [MAP_CLASSES] if has > wanted and _may_be_among(teacher, data) else []
    own = "path" in datasets.get(data.name).own_keys
    others = (
        "Use weights that were trained on these classes"
        if own
        else f"Use weights that were trained on {data.name}; `python -m kdcore check-environment` lists them"
    )
    return Finding(
        "classes",
        "stop",
        f"The teacher's weights ({clipped(teacher.weights)}) have {has or 'no'} classes, {'the folder' if own else data.name} has {wanted}: a student "
        "cannot learn from them.",
        (fine_tune(teacher), *also, Remedy(others)),
        final=True,
    )


def _may_be_among(teacher: TeacherRecipe, data: DataRecipe) -> bool:
    """Whether a bundled teacher has the data's classes, by name; of other teachers the names are not read here."""
    from kdcore.models import mapping  # loads torch, so only where it decides something

    if not isinstance(teacher.reference, Bundled) or (card := _card(teacher.reference.name)) is None:
        return True
    try:
        mapping.places([(name,) for name in card["classes"]], data.only or datasets.of(data).classes)
    except UserError:
        return False
    return True


def _compares_classes(recipe: Recipe) -> bool:
    from kdcore import methods  # loads torch, so only where it decides something

    return methods.compares_classes(recipe.terms)


def fine_tune(teacher: TeacherRecipe) -> Remedy:
    """Fine-tuning the teacher on the run's data first; three times as long where it is fine-tuned already."""
    epochs = 3 * teacher.finetune.epochs if teacher.finetune else 3
    again = "teacher.finetune.epochs={}" if teacher.finetune else "teacher.finetune={{epochs: {}}}"
    also = ("teacher.map_classes=false",) if teacher.map_classes else ()
    return Remedy(f"Fine-tune it on this data first, for {epochs} epochs", (again.format(epochs), *also))


def image_size(recipe: Recipe) -> Finding | None:
    """A warning where a teacher from a file would get images of another size than its weights are for, and the recipe does not set it."""
    teacher = recipe.teacher
    if teacher is None or teacher.image_size is not None or teacher.finetune is not None:
        return None
    own = _own_size(teacher)
    if own is None or own == recipe.teacher_size:
        return None
    return Finding(
        "image size",
        "warn",
        f"Its weights are for images of {own} px, and it gets those of {recipe.teacher_size} px, which may cost accuracy.",
        (Remedy(f"Give the teacher images of {own} px", (f"teacher.image_size={own}",)),),
    )


def _own_size(spec: ModelRecipe) -> int | None:
    """The side in pixels of the images that the weights of a file are for; None for others, or where its header does not say."""
    if not isinstance(spec.reference, WeightFile):
        return None
    try:
        return weight_header.description(weight_file(spec.weights)).get("image_size")
    except UserError:  # which is refused elsewhere
        return None


def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None where that is not known yet, as of a folder that does not exist."""
    if data.only is not None:
        return len(data.only)
    return datasets.of(data).class_count()


def weight_classes(spec: ModelRecipe, runs: Store | None = None) -> int | None:
    """How many classes a model's weights have, from names, cards and headers; None where these do not say."""
    match spec.reference:
        case Pretrained():
            return _pretrained_classes(spec.model or "")
        case LibraryNetwork(name):
            return _pretrained_classes(name)
        case WeightFile(path):
            return _header_classes(weight_file(path))
        case Bundled(name) if card := _card(name):
            return len(card["classes"])
        case RunNetwork(run_id) if runs is not None:
            return data_classes(runs.recipe(run_id).data)
    return None


def _card(name: str) -> dict[str, Any] | None:
    """The description of a bundled model; None where there is none of this name."""
    file = bundled_model(name, ".json")
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file else None


def _pretrained_classes(name: str) -> int | None:
    from kdcore.models import zoo  # loads torch and timm, so only where a recipe names pretrained weights

    try:
        return zoo.pretrained_classes(name)
    except UserError:  # no such network, which is refused elsewhere
        return None


def _header_classes(path: Path) -> int | None:
    """The number of class names in a weight file's header; None where it names none, or cannot be read."""
    try:
        return len(weight_header.description(path).get("classes", ())) or None
    except UserError:
        return None
