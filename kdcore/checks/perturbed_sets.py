"""Refuses a recipe's perturbed test sets that could not be made from its validation images; reads no image."""

import contextlib

import torch

from kdcore.data import datasets, perturbations, selection
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.robustness import conditions
from kdcore.robustness.assessment import images_of
from kdcore.robustness.conditions import Condition

EXAMPLES = 4  # blank images that each set is tried on
AFTER = "leave it out here, and evaluate it after the run, on the page Robustness"


def check(recipe: Recipe) -> None:
    """Refuse unknown sets, strengths without a meaning, sets that this data or so little time cannot make, and too many images.

    Raises:
        UserError: with how to fix it.
    """
    for text in recipe.robustness.sets:
        try:
            _check_set(text, _examples(recipe.data.name, recipe.data.image_size))
        except UserError as error:
            raise UserError(f"`robustness.sets`: {error}") from error
    if not recipe.robustness.sets:
        return
    there = selection.counts(recipe.data).get("validation", 0)
    if recipe.robustness.images > there:
        raise UserError(
            f"`robustness.images` is {recipe.robustness.images:,}, and there are {there:,} validation images: choose at most as "
            "many, or raise data.validation."
        )


def parsed(recipe: Recipe) -> list[Condition]:
    """The recipe's test sets."""
    return [conditions.parse(text) for text in recipe.robustness.sets]


def possible(dataset: str, image_size: int) -> dict[str, str]:
    """The sets that can be measured during a run on such images, at their usual strength, corruptions last: condition -> title."""
    found = {}
    for name in sorted(perturbations.names(), key=lambda each: perturbations.get(each).probes == "corruption"):
        usual = conditions.parse(name)
        with contextlib.suppress(UserError):
            _check_set(str(usual), _examples(dataset, image_size))
            found[str(usual)] = conditions.title(usual)
    return found


def _check_set(text: str, examples: Split) -> None:
    condition = conditions.parse(text)
    if condition.is_clean:
        raise UserError(f"{text} names the clean images; the curves of accuracy are of these already: leave it out.")
    perturbation = conditions.known(condition.set_name)
    if perturbation.own_images:
        raise UserError(f"{text} has images of its own, so it is not made from validation images: {AFTER}.")
    if perturbation.cached:
        raise UserError(f"{text} takes too long to make during a run: {AFTER}.")
    images = images_of(condition, examples)
    images.at(torch.arange(EXAMPLES))


def _examples(dataset: str, side: int) -> Split:
    """Blank images as the dataset has them."""
    images = torch.zeros(EXAMPLES, 3, side, side, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(EXAMPLES) % 2
    masks = {"masks": torch.zeros(EXAMPLES, side, side, dtype=torch.bool)} if datasets.get(dataset).has_masks else {}
    return Split("validation", ("one", "other"), images, targets, masks)
