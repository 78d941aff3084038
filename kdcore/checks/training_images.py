"""Which images a network was trained on, as far as its card or its run says so, and how many of them it is checked or tested on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.checks.findings import LEAST_SEEN, Finding, Remedy
from kdcore.data import datasets, overlap
from kdcore.errors import UserError
from kdcore.models.sources import resolved
from kdcore.paths import bundled_model, weight_file
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, references, weight_header
from kdcore.recipe.references import (
    RUN,
    Bundled,
    LibraryNetwork,
    Pretrained,
    RandomWeights,
    Reference,
    RunNetwork,
    WeightFile,
)
from kdcore.store import Store

MOST_CARD = 1 << 20  # bytes
UNKNOWN = ""  # weights of which nothing is known
ALL = 0.995  # a larger share is called all images


@dataclass(frozen=True)
class Step:
    """A training that led to a network: its data, and the weights with which it began. data: None where nothing was trained there."""

    data: DataRecipe | None
    began: str


def trained_on(spec: ModelRecipe, runs: Store | None = None) -> tuple[list[DataRecipe], bool]:
    """The data that a network's weights were trained on in this project, back to the weights with which all began.

    Returns:
        what is known of it, none for others' data; and whether that is all: not where weights go back to themselves, as after
        a file was replaced, or their origin is not known.
    """
    found: dict[str, DataRecipe] = {}
    whole, waiting, met = True, [spec.weights], set()
    while waiting:
        try:
            reference = resolved(waiting.pop(), runs)
        except UserError:  # edited by hand
            whole = False
            continue
        if isinstance(reference, RandomWeights | Pretrained | LibraryNetwork):
            continue
        steps = [] if reference in met else _steps(reference, runs)
        met.add(reference)
        whole = whole and bool(steps)
        found |= {step.data.model_dump_json(): step.data for step in steps if step.data}
        waiting += [step.began for step in steps]
    return list(found.values()), whole


def seen(recipe: Recipe, split: str, runs: Store | None = None) -> float | None:
    """The share of a split's images that the recipe's teacher was trained on, at least; None where none is known and not all is."""
    assert recipe.teacher is not None
    found, whole = trained_on(recipe.teacher, runs)
    if isinstance(recipe.teacher.reference, Pretrained | LibraryNetwork) and _may_be_public(recipe.data):
        whole = False
    found += [recipe.data] if recipe.teacher.finetune else []
    shares = [overlap.share(recipe.data, split, data) for data in found]
    most = max((each for each in shares if each is not None), default=0.0)
    return most if most >= LEAST_SEEN or (whole and None not in shares) else None


def _may_be_public(data: DataRecipe) -> bool:
    """Whether images of a user's own may be those that a library's weights were trained on, as where a folder holds photos of ImageNet."""
    return datasets.get(data.name).obtained == "folder"


def of_the_test(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """A warning where the teacher was trained on test images of the run, as where another seed held them out of one folder."""
    if recipe.teacher is None:
        return ()
    words = "The teacher was trained on {} of the test images: its accuracy on them, and what the student gains from it, are too high for "
    return _warned("test images", words + "images that it has not seen.", recipe, recipe.teacher, runs)


def of_the_student(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """The same of the weights with which the student, and its twin, begin."""
    whose, they = (
        ("its accuracy on them, and its twin's, are", "they have")
        if recipe.twin
        else ("its accuracy on them is", "it has")
    )
    words = f"The student begins with weights that were trained on {{}} of the test images: {whose} too high for images that {they} not seen."
    return _warned("student", words, recipe, recipe.student, runs)


def _warned(check: str, words: str, recipe: Recipe, spec: ModelRecipe, runs: Store | None) -> tuple[Finding, ...]:
    """A finding in these words, with the share in place of `{}`; none where no test image was seen, as far as that is known."""
    before, _ = trained_on(spec, runs)
    shares = [(overlap.share(recipe.data, "test", each) or 0.0, each.seed_of("test")) for each in before]
    share, seed = max(shares, default=(0.0, 0))
    if share < LEAST_SEEN:
        return ()
    text = words.format("all" if share > ALL else f"{100 * share:.0f} %")
    others = recipe.data.model_copy(update={"test_seed": seed})
    if max(overlap.share(others, "test", each) or 0.0 for each in before) < LEAST_SEEN:
        remedy = Remedy("Hold out the test images that it was not trained on", (f"data.test_seed={seed}",))
    else:
        remedy = Remedy("Choose weights that were trained on none of them, or test images from another source")
    return (Finding(check, "warn", text, (remedy,)),)


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


def _steps(reference: Reference, runs: Store | None) -> list[Step]:
    """The last training of a network, from its run, its card, or the run that it was pruned from; empty where none is known."""
    match reference:
        case Bundled(name) if card := bundled_model(name, ".json"):
            return _of_card(card)
        case WeightFile(path):
            file = weight_file(
                path
            )  # pruned weights may lie beside the card of those that they replaced, so both count
            return [*_of_card(file.with_suffix(".json")), *_of_pruning(file)]
        case RunNetwork(run_id, network) if runs is not None:
            try:
                return _of_recipe(runs.recipe(run_id), network)
            except UserError:
                return []
    return []


def _of_recipe(recipe: Recipe, network: str) -> list[Step]:
    if network != "teacher":
        return [Step(recipe.of_run().data, recipe.student.weights)]
    if recipe.teacher is None:
        return []
    return [Step(recipe.of_run().data if recipe.teacher.finetune else None, recipe.teacher.weights)]


def _of_pruning(path: Path) -> list[Step]:
    """The run that the header of a pruned network names."""
    try:
        of = weight_header.description(path).get("pruning", {}).get("of", "")
    except (OSError, ValueError):
        return []
    return [Step(None, of)] if of.startswith(RUN) else []


def _of_card(path: Path) -> list[Step]:
    """The run in a model's card, whose weights to begin with are known unless they were a file of another folder."""
    try:
        if path.stat().st_size > MOST_CARD:
            return []
        card: Any = json.loads(path.read_text(encoding="utf-8"))
        data = DataRecipe.model_validate(card["recipe"].get("data", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    try:
        recipe = Recipe.model_validate(card["recipe"])
    except ValueError:  # of an earlier version
        return [Step(data, UNKNOWN)]
    steps = _of_recipe(recipe, str(card.get("network", "student")))
    return [
        Step(each.data, UNKNOWN if isinstance(references.parse(each.began), WeightFile) else each.began)
        for each in steps
    ]
