"""An examination from a recipe, before a run; and the same look at networks that a run has just built."""

import time
from functools import lru_cache

import torch

from kdcore import data, methods, models
from kdcore.checks import preflight
from kdcore.checks.diagnoses import judge
from kdcore.checks.findings import Examination, Finding
from kdcore.checks.predictions import OWN, STUDENTS, Answers, ask, how_many, some_of
from kdcore.data import Split
from kdcore.models import Tapped
from kdcore.models.sources import without_weights
from kdcore.models.tapped import Statistics
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe
from kdcore.store import Store
from kdcore.tensors.outputs import Shapes

ENOUGH_FOR_TWO = {
    "dkd": "its second part, over the other classes, is always 0",
    "dist": "the correlation between two probabilities that sum to 1 is always 1 or -1",
    "logit_standardisation": "two standardised logits are always 0.71 apart from their mean, whatever the teacher thinks",
}
FREE_IMAGES = 5_000  # `cues` draws a whole pool before the first is seen: so many take seconds


def examine(recipe: Recipe, *, device: torch.device, runs: Store | None = None) -> Examination:
    """Look at a recipe's teacher on some hundred images that it was not trained on, where some are held out.

    Nothing is downloaded: where weights or images are not on this machine yet, that is what is found.

    Raises:
        ValueError: there are no such weights or data; says why.
    """
    if recipe.teacher is None:
        return Examination((), {})
    if counted := preflight.class_counts(recipe, runs):
        return Examination((counted,), {})
    began = time.perf_counter()
    later = to_come(recipe, runs)
    degenerate = too_few_classes(recipe, len(data.classes(recipe.data)))
    paired = pairings(recipe, runs)
    if recipe.teacher.finetune:
        epochs = recipe.teacher.finetune.epochs
        tuned = Finding(
            "accuracy", "ok", f"It is fine-tuned on {recipe.data.name} for {epochs} epochs first, and examined then."
        )
        return Examination((tuned, *later, *degenerate, *paired), {})
    if later:
        return Examination((*later, *degenerate, *paired), {})
    answers, inside = _asked(*_key(recipe, runs), str(device), runs)
    found, figures = judge(answers, recipe)
    findings = (*found, *inside, *degenerate, *paired)
    return Examination(findings, figures, len(answers.targets), time.perf_counter() - began)


def look_at(teacher: Tapped, recipe: Recipe, images: Split) -> Examination:
    """The same look at a teacher that a run has built; `images` with their right labels, about as many as are needed."""
    assert recipe.teacher is not None
    began = time.perf_counter()
    if len(teacher.classes) != len(images.classes):  # nothing more can be compared
        nothing = torch.zeros(0, len(teacher.classes))
        none = Answers(nothing, torch.zeros(0, dtype=torch.long), teacher.classes, images.classes, images.name, "")
        return Examination(judge(none, recipe)[0], {})
    shown = some_of(images, how_many(teacher, images.targets.device), seed=recipe.data.seed)
    said = ask(teacher, shown, _given(recipe.teacher, teacher), precision=recipe.precision)
    found, figures = judge(said, recipe)
    findings = (*found, *too_few_classes(recipe, len(images.classes)))
    return Examination(findings, figures, len(shown), time.perf_counter() - began)


def to_come(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """What is not on this machine yet, so that the teacher can be examined only when the run has downloaded it."""
    assert recipe.teacher is not None
    sentences = (models.missing(recipe.teacher, runs), data.missing(recipe.data))
    return tuple(
        Finding("download", "warn", f"{text} The teacher can be examined only then.") for text in sentences if text
    )


def cheap(recipe: Recipe) -> bool:
    """Whether an examination takes only seconds, so that it may be done unasked."""
    teacher, images = recipe.teacher, recipe.data
    if teacher is None or teacher.finetune or data.missing(images):
        return True
    return images.name != "cues" or (images.train_images or FREE_IMAGES + 1) <= FREE_IMAGES


def too_few_classes(recipe: Recipe, classes: int) -> tuple[Finding, ...]:
    """Terms to which two classes leave nothing to say."""
    if classes > 2:
        return ()
    return tuple(
        Finding("two classes", "warn", f"{term.label}: with two classes {ENOUGH_FOR_TWO[term.method]}.")
        for term in recipe.terms
        if term.method in ENOUGH_FOR_TWO
    )


def pairings(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """Terms that cannot work for these two networks, or that warn: each with the method's own reason."""
    classes, side = data.classes(recipe.data), recipe.data.image_size
    student = shapes_of(without_weights(recipe.student, runs), classes, side)
    teacher = shapes_of(without_weights(recipe.teacher, runs), classes, side) if recipe.teacher else None
    found = []
    for term in recipe.terms:
        try:
            method = methods.build(term, student, teacher)
        except ValueError as error:
            found.append(Finding("pairing", "stop", str(error), final=True))
        else:
            found += [Finding("pairing", "warn", f"{term.label}: {text}") for text in method.warnings()]
    return tuple(found)


def shapes_of(spec: ModelRecipe, classes: tuple[str, ...], image_size: int) -> Shapes:
    return _shapes(spec.model_dump_json(), classes, image_size)


@lru_cache(maxsize=32)
def _shapes(spec: str, classes: tuple[str, ...], image_size: int) -> Shapes:
    return models.build(ModelRecipe.model_validate_json(spec), classes, image_size).shapes()


def _key(recipe: Recipe, runs: Store | None) -> tuple[str, str, str, str]:
    """What an examination depends on: teacher, images, how the student normalises; and the state of a run it comes from."""
    assert recipe.teacher is not None
    images = recipe.data.model_copy(update={"labels": "all", "label_noise": 0, "augment": (), "batch_size": 50})
    teacher, reference = recipe.teacher.model_copy(update={"accept": False}), recipe.teacher.weights
    version = str(runs.checkpoint(reference[4:].partition("/")[0])) if runs and reference.startswith("run:") else ""
    student = without_weights(recipe.student, runs)
    return teacher.model_dump_json(), images.model_dump_json(), student.model_dump_json(), version


@lru_cache(maxsize=16)
def _asked(
    teacher_spec: str, images_spec: str, student_spec: str, version: str, device_name: str, runs: Store | None
) -> tuple[Answers, tuple[Finding, ...]]:
    spec, device = TeacherRecipe.model_validate_json(teacher_spec), torch.device(device_name)
    images = DataRecipe.model_validate_json(images_spec)
    classes = data.classes(images)
    notes: list[str] = []
    teacher = models.build(spec, classes, images.image_size, runs=runs, report=notes.append).to(device)
    student = models.build(ModelRecipe.model_validate_json(student_spec), classes, images.image_size)
    split = "validation" if "validation" in data.splits(images) else "train"
    shown = data.load(images, split, device=device, at_most=how_many(teacher, device))
    beside = _given(spec, teacher)
    if (normalisation := _statistics(student)) != _statistics(teacher):
        beside[STUDENTS] = normalisation
    loading = (Finding("loading", "ok", " ".join(notes)),) if notes else ()
    return ask(teacher, shown, beside), (layers(teacher, student), *loading)


def layers(teacher: Tapped, student: Tapped) -> Finding:
    """What there is to compare inside: maps from shallow to deep, and attention."""
    return Finding("layers", "ok", f"Teacher: {_inside(teacher)}. Student: {_inside(student)}.")


def _inside(model: Tapped) -> str:
    shapes = model.shapes()
    grids = [f"{height} × {width}" for _, height, width in shapes.features]
    if shapes.tokens:
        heads = f", {shapes.attention[0][0]} heads" if shapes.attention else ", no class token to read attention of"
        return f"{len(grids)} blocks on a grid of {grids[-1]} patches{heads}" if grids else "no maps"
    return f"{len(grids)} maps of {', '.join(grids)}"


def _given(spec: TeacherRecipe, teacher: Tapped) -> dict[str, tuple[Statistics, Statistics]]:
    """The statistics that the weights come with, where the recipe gives others."""
    return {OWN: teacher.came_with} if (spec.mean or spec.std) and teacher.came_with != _statistics(teacher) else {}


def _statistics(model: Tapped) -> tuple[Statistics, Statistics]:
    described = model.description()
    return tuple(described["mean"]), tuple(described["std"])
