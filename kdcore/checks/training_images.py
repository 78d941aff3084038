"""Which images a teacher was trained on, as far as its card or its run says so, and how many of them it is checked on."""

import json
from pathlib import Path
from typing import Any

from kdcore.checks.findings import LEAST_SEEN, Finding, Remedy
from kdcore.data import overlap
from kdcore.errors import UserError
from kdcore.paths import bundled_model, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe
from kdcore.recipe.references import Bundled, Pretrained, RandomWeights, RunNetwork, WeightFile
from kdcore.store import Store

MOST_CARD = 1 << 20  # bytes


def trained_on(spec: ModelRecipe, runs: Store | None = None) -> list[DataRecipe] | None:
    """The data that a network's weights were trained on in this project; empty for others' data; None where it is not known."""
    match spec.reference:
        case RandomWeights() | Pretrained():
            return []
        case Bundled(name):
            return _of_card(card) if (card := bundled_model(name, ".json")) else None
        case WeightFile(path):
            return _of_card(weight_file(path).with_suffix(".json"))
        case RunNetwork(run_id, network) if runs is not None:
            try:
                return _of_run(runs.recipe(run_id).of_run(), network, runs)
            except UserError:
                return None
    return None


def seen(recipe: Recipe, split: str, runs: Store | None = None) -> float | None:
    """The share of a split's images that the recipe's teacher was trained on; None where it is not known."""
    assert recipe.teacher is not None
    found = trained_on(recipe.teacher, runs)
    if found is None:
        return None
    found += [recipe.data] if recipe.teacher.finetune else []
    shares = [overlap.share(recipe.data, split, data) for data in found]
    return None if None in shares else max((each for each in shares if each is not None), default=0.0)


def of_the_test(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """A warning where the teacher was trained on test images of the run, as where another seed held them out of one folder."""
    found = trained_on(recipe.teacher, runs) if recipe.teacher else None
    shares = {each.seed_of("test"): overlap.share(recipe.data, "test", each) or 0.0 for each in found or ()}
    if not shares or max(shares.values()) < LEAST_SEEN:
        return ()
    seed, share = max(shares.items(), key=lambda each: each[1])
    return (
        Finding(
            "test images",
            "warn",
            f"The teacher was trained on {100 * share:.0f} % of the test images: its accuracy on them, and what the student gains from it, "
            "are too high for images that it has not seen.",
            (Remedy("Hold out the test images that it was not trained on", (f"data.test_seed={seed}",)),),
        ),
    )


def in_words(share: float | None, images: str) -> str:
    """A sentence on the images of a check. `images`: "validation images", or "training images"."""
    if share is None:
        return f"Whether it was trained on some of these {images} is not known."
    if share < LEAST_SEEN:
        return f"It was not trained on these {images}."
    return (
        f"It was trained on {'all' if share > 0.995 else f'{100 * share:.0f} %'} of these {images}, so expect less on images that it "
        "has not seen."
    )


def _of_run(recipe: Recipe, network: str, runs: Store) -> list[DataRecipe] | None:
    spec: ModelRecipe | None = recipe.student
    trained = True
    if network == "teacher":
        spec, trained = recipe.teacher, bool(recipe.teacher and recipe.teacher.finetune)
    before = trained_on(spec, runs) if spec else None
    return None if before is None else [*before, *([recipe.data] if trained else [])]


def _of_card(path: Path) -> list[DataRecipe] | None:
    """The data in a model's card; None without a card that has it."""
    try:
        if path.stat().st_size > MOST_CARD:
            return None
        card: Any = json.loads(path.read_text(encoding="utf-8"))
        return [DataRecipe.model_validate(card["recipe"].get("data", {}))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
