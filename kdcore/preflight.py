"""What can be refused before anything is built: a teacher that answers other questions than the data asks.

Reads names, cards and headers only; loads no torch and no image.
"""

import json
import struct
from pathlib import Path

from kdcore.folders import ASSETS, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError
from kdcore.store import Store

CLASS_COUNTS = {"cues": 10, "cifar10": 10, "cifar100": 100}
IMAGENET_CLASSES = 1000


def check(recipe: Recipe, runs: Store | None = None) -> None:
    """Refuse a recipe whose teacher and student do not share a class space.

    Raises:
        RecipeError: with the numbers of classes and the remedies.
    """
    teacher, data = recipe.teacher, recipe.data
    if teacher is None or teacher.finetune is not None:
        return  # fine-tuning replaces the classifier by one for this data
    wanted, has = data_classes(data), weight_classes(teacher, runs)
    if wanted is None or has is None:
        return  # not known before loading; the runner compares again
    if wanted != has:
        raise RecipeError(
            f"The teacher's weights ({teacher.weights}) answer {has} classes, {data.name} has {wanted}: a student cannot "
            "learn one from the other. Fine-tune the teacher on this data first (teacher.finetune: {epochs: 3}), or take "
            f"weights that were trained on {data.name} (python -m kdcore doctor lists the bundled ones)."
        )


def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None for a folder that is not there."""
    if data.name != "folder":
        return CLASS_COUNTS[data.name]
    root = Path(data.path or "")
    root = root / "train" if (root / "train").is_dir() else root
    return sum(f.is_dir() and not f.name.startswith(".") for f in root.iterdir()) if root.is_dir() else None


def weight_classes(spec: ModelRecipe, runs: Store | None = None) -> int | None:
    """How many classes a model's weights answer, as far as names, cards and headers tell; None where they do not."""
    if spec.weights == "none":
        return None
    if spec.weights == "pretrained":
        return IMAGENET_CLASSES
    if spec.weights.endswith(".safetensors"):
        return _header_classes(weight_file(spec.weights))
    if (card := ASSETS / "models" / f"{spec.weights}.json").is_file():
        return len(json.loads(card.read_text(encoding="utf-8"))["classes"])
    if runs is not None and spec.weights.startswith("run:"):
        return data_classes(runs.recipe(spec.weights.removeprefix("run:").partition("/")[0]).data)
    return None


def _header_classes(path: Path) -> int | None:
    """The number of class names in a weight file's header, which is a length and that much JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1 << 24)))
        return len(json.loads(header["__metadata__"]["kdcore"])["classes"])
    except (OSError, ValueError, KeyError, struct.error):
        return None
