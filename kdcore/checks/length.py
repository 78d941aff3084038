"""Warns of runs with too few steps, as of a few images in large batches: with random weights such a student learns little."""

from kdcore.checks.findings import Finding, Remedy
from kdcore.recipe import Recipe
from kdcore.recipe.references import RandomWeights
from kdcore.results.diagnoses.length import FEWEST_STEPS, NEEDS, SMALL_BATCH, epochs_for


def short(recipe: Recipe, images: int, smallest_batch: int = 1) -> Finding | None:
    """A warning where a student with random weights gets too few steps; None otherwise.

    Args:
        images: for training.
        smallest_batch: as in `data.batches.steps_per_epoch`.
    """
    size = recipe.data.batch_size
    per_epoch = _steps(images, size, smallest_batch)
    steps = recipe.epochs * per_epoch
    if steps >= FEWEST_STEPS or not isinstance(recipe.student.reference, RandomWeights):
        return None
    batches = f"{per_epoch} batch{'es' * (per_epoch > 1)}"
    return Finding(
        "length",
        "warn",
        f"The run has {steps} steps ({recipe.epochs} epoch{'s' * (recipe.epochs > 1)} of {batches}). A {NEEDS}, "
        "and so do the running averages of BatchNorm: with fewer it may predict one class for every image.",
        tuple(_remedies(recipe, images, per_epoch)),
    )


def _remedies(recipe: Recipe, images: int, per_epoch: int) -> list[Remedy]:
    epochs = epochs_for(per_epoch)
    found = [Remedy(f"Train for {epochs} epochs", (f"epochs={epochs}",))]
    size = max(SMALL_BATCH, 2 * recipe.optimizer.accumulate)
    if recipe.data.batch_size > size and (smaller := epochs_for(_steps(images, size))) < epochs:
        smaller = max(smaller, recipe.epochs)
        changes = (f"data.batch_size={size}", *((f"epochs={smaller}",) if smaller != recipe.epochs else ()))
        found.append(Remedy(f"Train for {smaller} epochs in batches of {size} images, which is faster", changes))
    return found


def _steps(images: int, size: int, smallest: int = 1) -> int:
    from kdcore.data.batches import steps_per_epoch  # loads torch

    return steps_per_epoch(images, size, smallest)
