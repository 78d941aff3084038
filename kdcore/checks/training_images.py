"""Which images a network was trained on, as far as its card or its run says so, and how many of them it is checked or tested on."""

import json
from pathlib import Path
from typing import Any

from kdcore.checks.findings import LEAST_SEEN, Finding, Remedy
from kdcore.data import datasets, overlap
from kdcore.errors import UserError
from kdcore.models.sources import resolved
from kdcore.paths import bundled_model, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, weight_header
from kdcore.recipe.references import RUN, Bundled, LibraryNetwork, Pretrained, RandomWeights, RunNetwork, WeightFile
from kdcore.store import Store

MOST_CARD = 1 << 20  # bytes
ALL = 0.995  # a larger share is called all images


def trained_on(
    spec: ModelRecipe, runs: Store | None = None, *, behind: tuple[str, ...] = ()
) -> list[DataRecipe] | None:
    """The data that a network's weights were trained on in this project; empty for others' data; None where it is not known.

    Args:
        behind: the references that led here; weights that go back to themselves are not known.
    """
    if spec.weights in behind:
        return None
    behind = (*behind, spec.weights)
    match resolved(spec.weights, runs):
        case RandomWeights() | Pretrained() | LibraryNetwork():
            return []
        case Bundled(name):
            return _of_card(card) if (card := bundled_model(name, ".json")) else None
        case WeightFile(path):
            return _of_file(weight_file(path), runs, behind)
        case RunNetwork(run_id, network) if runs is not None:
            try:
                return _of_run(runs.recipe(run_id).of_run(), network, runs, behind)
            except UserError:
                return None
    return None


def seen(recipe: Recipe, split: str, runs: Store | None = None) -> float | None:
    """The share of a split's images that the recipe's teacher was trained on; None where it is not known."""
    assert recipe.teacher is not None
    found = trained_on(recipe.teacher, runs)
    if found is None or (
        isinstance(recipe.teacher.reference, Pretrained | LibraryNetwork) and _may_be_public(recipe.data)
    ):
        return None
    found += [recipe.data] if recipe.teacher.finetune else []
    shares = [overlap.share(recipe.data, split, data) for data in found]
    return None if None in shares else max((each for each in shares if each is not None), default=0.0)


def _may_be_public(data: DataRecipe) -> bool:
    """Whether images of a user's own may be those that a library's weights were trained on, as where a folder holds photos of ImageNet."""
    return datasets.get(data.name).obtained == "folder"


def of_the_test(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """A warning where the teacher was trained on test images of the run, as where another seed held them out of one folder."""
    if recipe.teacher is None:
        return ()
    words = "The teacher was trained on {} of the test images: its accuracy on them, and what the student gains from it, are too high for "
    return _warned(words + "images that it has not seen.", recipe, recipe.teacher, runs)


def of_the_student(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """The same of the weights with which the student, and its twin, begin."""
    whose, they = (
        ("its accuracy on them, and its twin's, are", "they have")
        if recipe.twin
        else ("its accuracy on them is", "it has")
    )
    words = f"The student begins with weights that were trained on {{}} of the test images: {whose} too high for images that {they} not seen."
    return _warned(words, recipe, recipe.student, runs)


def _warned(words: str, recipe: Recipe, spec: ModelRecipe, runs: Store | None) -> tuple[Finding, ...]:
    """A finding in these words, with the share in place of `{}`; none where no test image was seen, as far as that is known."""
    before = trained_on(spec, runs)
    shares = [(overlap.share(recipe.data, "test", each) or 0.0, each.seed_of("test")) for each in before or ()]
    share, seed = max(shares, default=(0.0, 0))
    if not before or share < LEAST_SEEN:
        return ()
    text = words.format("all" if share > ALL else f"{100 * share:.0f} %")
    others = recipe.data.model_copy(update={"test_seed": seed})
    if max(overlap.share(others, "test", each) or 0.0 for each in before) < LEAST_SEEN:
        remedy = Remedy("Hold out the test images that it was not trained on", (f"data.test_seed={seed}",))
    else:
        remedy = Remedy("Choose weights that were trained on none of them, or test images from another source")
    return (Finding("test images", "warn", text, (remedy,)),)


def in_words(share: float | None, images: str) -> str:
    """A sentence on the images of a check. `images`: "validation images", or "training images"."""
    if share is None:
        return f"Whether it was trained on some of these {images} is not known."
    if share < LEAST_SEEN:
        return f"It was not trained on these {images}."
    return (
        f"It was trained on {'all' if share > ALL else f'{100 * share:.0f} %'} of these {images}, so expect less on images that it "
        "has not seen."
    )


def _of_run(recipe: Recipe, network: str, runs: Store, behind: tuple[str, ...]) -> list[DataRecipe] | None:
    spec: ModelRecipe | None = recipe.student
    trained = True
    if network == "teacher":
        spec, trained = recipe.teacher, bool(recipe.teacher and recipe.teacher.finetune)
    before = trained_on(spec, runs, behind=behind) if spec else None
    return None if before is None else [*before, *([recipe.data] if trained else [])]


def _of_file(path: Path, runs: Store | None, behind: tuple[str, ...]) -> list[DataRecipe] | None:
    """The data in the card beside a file; of a pruned network that of the run which its header names."""
    if (found := _of_card(path.with_suffix(".json"))) is not None:
        return found
    try:
        of = weight_header.description(path).get("pruning", {}).get("of", "")
        source = ModelRecipe(weights=of) if of.startswith(RUN) else None
    except (OSError, ValueError):
        return None
    return trained_on(source, runs, behind=behind) if source else None


def _of_card(path: Path) -> list[DataRecipe] | None:
    """The data in a model's card; None without a card that has it."""
    try:
        if path.stat().st_size > MOST_CARD:
            return None
        card: Any = json.loads(path.read_text(encoding="utf-8"))
        return [DataRecipe.model_validate(card["recipe"].get("data", {}))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
