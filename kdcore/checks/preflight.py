"""What can be refused before anything is built: a teacher that answers other questions than the data asks.

Reads names, cards and headers only; loads no torch and no image.
"""

import json
from pathlib import Path

from kdcore.checks.findings import Finding, Remedy
from kdcore.data import datasets
from kdcore.errors import UserError, clipped
from kdcore.paths import ASSETS, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError, TeacherRecipe, weight_header
from kdcore.recipe.references import Bundled, Pretrained, RunNetwork, WeightFile
from kdcore.store import Store

IMAGENET_CLASSES = 1000
MAP_CLASSES = Remedy(
    "Keep only the data's classes, where they are among its own by name", ("teacher.map_classes=true",)
)


def check(recipe: Recipe, runs: Store | None = None) -> None:
    """Refuse a recipe whose teacher and student do not share a class space.

    Raises:
        UserError: an unknown dataset, or settings that it cannot work with.
        RecipeError: with the numbers of classes and the remedies; or a weight file that cannot be one.
    """
    datasets.check(recipe.data)
    if (found := class_counts(recipe, runs)) and found.verdict == "stop":
        raise RecipeError(found.in_words)
    check_labels(recipe.data)
    check_weight_files(recipe)


def check_weight_files(recipe: Recipe) -> None:
    """Refuse a weight file whose header cannot be believed. A file that is not there is named when it is loaded."""
    for spec in (recipe.teacher, recipe.student):
        if spec and isinstance(spec.reference, WeightFile) and (file := weight_file(spec.weights)).is_file():
            try:
                weight_header.description(file)
            except UserError as error:
                raise RecipeError(str(error)) from None


def check_labels(data: DataRecipe) -> None:
    """Refuse more labels than there can be images, or fewer than classes, as far as it is known without reading any."""
    classes = data_classes(data)
    if data.labels == "all" or data.train_images is None or classes is None:
        return
    left = round(data.train_images * (1 - data.validation))
    if not classes <= data.labels <= left + classes:  # each class rounds its held-out share by itself
        raise RecipeError(
            f"`data.labels` is {data.labels:,}, but {classes} classes and about {left:,} training images are left of "
            f"`data.train_images` {data.train_images:,} after some are held out: choose {classes} to {left:,}, or `all`."
        )


def class_counts(recipe: Recipe, runs: Store | None = None) -> Finding | None:
    """Whether teacher and data have as many classes; None where that is not known before loading, or does not matter."""
    teacher, data = recipe.teacher, recipe.data
    if teacher is None or teacher.finetune is not None:
        return None  # fine-tuning replaces the classifier by one for this data
    wanted, has = data_classes(data), weight_classes(teacher, runs)
    if wanted is None or has is None or wanted == has:
        return None  # the runner compares again, by name
    if teacher.map_classes and has > wanted:
        return None  # whether every class is there is seen when the weights are loaded
    also = [MAP_CLASSES] if has > wanted else []
    return Finding(
        "classes",
        "stop",
        f"The teacher's weights ({clipped(teacher.weights)}) answer {has} classes, {data.name} has {wanted}: a student "
        "cannot learn one from the other.",
        (
            fine_tune(teacher),
            *also,
            Remedy(f"Take weights that were trained on {data.name}; `python -m kdcore doctor` lists them"),
        ),
        final=True,
    )


def fine_tune(teacher: TeacherRecipe) -> Remedy:
    """Training the teacher on the run's data first; longer where that was not enough."""
    epochs = 3 * teacher.finetune.epochs if teacher.finetune else 3
    again = "teacher.finetune.epochs={}" if teacher.finetune else "teacher.finetune={{epochs: {}}}"
    also = ("teacher.map_classes=false",) if teacher.map_classes else ()
    return Remedy(f"Fine-tune it on this data first, for {epochs} epochs", (again.format(epochs), *also))


def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None where that is not known yet, as of a folder that does not exist."""
    if data.only is not None:
        return len(data.only)
    return datasets.of(data).class_count()


def weight_classes(spec: ModelRecipe, runs: Store | None = None) -> int | None:
    """How many classes a model's weights answer, as far as names, cards and headers tell; None where they do not."""
    match spec.reference:
        case Pretrained():
            return IMAGENET_CLASSES
        case WeightFile(path):
            return _header_classes(weight_file(path))
        case Bundled(name) if (card := ASSETS / "models" / f"{name}.json").is_file():
            return len(json.loads(card.read_text(encoding="utf-8"))["classes"])
        case RunNetwork(run_id) if runs is not None:
            return data_classes(runs.recipe(run_id).data)
    return None


def _header_classes(path: Path) -> int | None:
    """The number of class names in a weight file's header; None where it names none, or cannot be read."""
    try:
        return len(weight_header.description(path).get("classes", ())) or None
    except UserError:
        return None
