"""All that is refused before a run, in one place: pages, the command line and the runner use the same checks."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import torch

from kdcore import methods, models, teacher_cache
from kdcore.checks import downloads, length, mixed_labels, networks, perturbed_sets, preflight, training_images, weights
from kdcore.checks.findings import Finding
from kdcore.data import datasets, loading, selection
from kdcore.errors import UserError
from kdcore.models import pretrained, sources
from kdcore.models.sources import without_weights
from kdcore.recipe import ModelRecipe, Recipe, RecipeError
from kdcore.recipe.references import Pretrained
from kdcore.store import Store


def check(recipe: Recipe, runs: Store | None = None, device: torch.device | None = None) -> tuple[Finding, ...]:
    """Refuse a recipe that cannot run; trains nothing, reads no image and downloads nothing.

    Args:
        device: whose memory a training step must fit; by default the GPU where there is one.

    Returns:
        warnings about this pair of networks.

    Raises:
        UserError: the reason, and how to fix it.
    """
    found = findings(recipe, runs, device)
    if stop := next((finding for finding in found if finding.verdict == "stop"), None):
        raise RecipeError(stop.in_words)
    return found


def findings(recipe: Recipe, runs: Store | None = None, device: torch.device | None = None) -> tuple[Finding, ...]:
    """Like `check`, with the refusals as findings of verdict `stop`, so that a page can offer their remedies."""
    found: list[Finding] = []
    try:
        preflight.check_names_and_data(recipe, runs)
        if classes := preflight.class_counts(recipe, runs):
            found.append(classes)
        _check_terms(recipe)
        _check_sources(recipe, runs)
        perturbed_sets.check(recipe)
        found += _of_networks(recipe, runs, device or torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        weights.check(recipe, loading.classes(recipe.data), runs, with_teacher=classes is None)
        found += training_images.of_the_student(recipe, runs)
    except UserError as error:
        found.append(Finding("recipe", "stop", str(error), final=True))
    return tuple(found)


def _check_terms(recipe: Recipe) -> None:
    """Refuse options that a method does not have, and a term that needs a teacher where there is none. Raises UserError."""
    for term in recipe.terms:
        methods.check(term)
    without = [term.label for term in recipe.terms if methods.get(term.method).uses_teacher]
    if without and recipe.teacher is None:
        raise UserError(
            f"The recipe has no teacher, but {' and '.join(without)} need{'s' * (len(without) == 1)} one: choose a teacher "
            f"(`teacher`), or remove the term{'s' * (len(without) > 1)}."
        )
    teacher_cache.check(recipe)
    mixed_labels.check(recipe)


def _check_sources(recipe: Recipe, runs: Store | None) -> None:
    """Refuse weights that do not exist, and downloads whose host cannot be reached. Raises UserError."""
    for spec in (recipe.teacher, recipe.student):
        if spec and (sentence := models.missing(spec, runs)):
            _check_reachable(sentence, pretrained.source_url(_pretrained(spec, runs)))
    if sentence := loading.missing(recipe.data):
        _check_reachable(sentence, datasets.of(recipe.data).source_url())


def _pretrained(spec: ModelRecipe, runs: Store | None) -> str:
    """The name of the pretrained network behind a reference, also behind a run's teacher."""
    while not isinstance(spec.reference, Pretrained):
        source = sources.find(spec.weights, runs)
        assert isinstance(source, ModelRecipe)
        spec = source
    assert spec.model is not None
    return spec.model


def _check_reachable(sentence: str, address: str) -> None:
    if address and not downloads.reachable(address):
        raise UserError(
            f"{sentence} {urlsplit(address).hostname} cannot be reached from here now: connect this machine to the network, "
            "or choose what is on it (`python -m kdcore check-environment` lists that)."
        )


def _of_networks(recipe: Recipe, runs: Store | None, device: torch.device) -> Iterator[Finding]:
    """Refuse networks that do not take the images or this batch size, or need too much memory; then judge each term.

    Raises:
        UserError: the networks cannot be used here.
    """
    classes, side = loading.classes(recipe.data), recipe.data.image_size
    spec = without_weights(recipe.student, runs)
    student = networks.trial(spec, len(classes), side)
    taught = without_weights(recipe.teacher, runs) if recipe.teacher else None
    teacher = networks.trial(taught, len(classes), recipe.teacher_size) if taught else None
    assert spec.model is not None
    networks.check_batch(student, spec.model, recipe)
    networks.check_memory(recipe, student, teacher, device)
    yield from _length(recipe, spec, len(classes))
    yield from (Finding("labels", "warn", text) for text in mixed_labels.warnings(recipe))
    yield from networks.pairings(recipe, spec, taught, classes)


def _length(recipe: Recipe, student: ModelRecipe, classes: int) -> Iterator[Finding]:
    """A warning where the run has too few steps, as far as the number of its images is known."""
    images, data = selection.counts(recipe.data)["train"], recipe.data
    smallest = networks.smallest_batch(student, classes, data.image_size, images=images, batch_size=data.batch_size)
    if found := length.short(recipe, images, smallest):
        yield found
