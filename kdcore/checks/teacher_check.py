"""The teacher check: of a recipe before a run, and of a teacher that a run has just built."""

import time
from dataclasses import replace

import torch

from kdcore import methods, models
from kdcore.checks import networks, preflight, training_images
from kdcore.checks.criteria import judge
from kdcore.checks.findings import Finding, TeacherCheck
from kdcore.checks.predictions import OWN, STUDENTS, Predictions, image_count, predict, sample
from kdcore.data import datasets, loading
from kdcore.data.split import Split
from kdcore.models import Tapped
from kdcore.models.sources import without_weights
from kdcore.models.tapped import Statistics
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe
from kdcore.recipe.references import RunNetwork
from kdcore.runtime.once import once
from kdcore.store import Store
from kdcore.tensors.outputs import Shapes

QUICKLY_DRAWN = 5_000  # images; a drawn dataset draws its whole training pool before the first image is there
WEIGHTS_SEED = 0  # of weights drawn for a check, so that the same recipe gets the same findings

UNUSED_CLASSES = Finding(
    "classes",
    "ok",
    "No term reads the teacher's logits, so its classes need not be the data's, and its accuracy is not measured.",
)


def check(recipe: Recipe, *, device: torch.device, runs: Store | None = None) -> TeacherCheck:
    """Check a recipe's teacher on a few hundred validation images, or training images where there are none.

    They are the run's; its finding on accuracy says how many of them the teacher was trained on, where that is known.
    Downloads nothing: where weights or images are not on this machine yet, that is the finding.

    Raises:
        UserError: there are no such weights or data.
    """
    if recipe.teacher is None:
        return TeacherCheck((), {})
    if counted := preflight.class_counts(recipe, runs):
        return TeacherCheck((counted,), {})
    began = time.perf_counter()
    later = missing(recipe, runs)
    paired = pairings(recipe, runs)
    tested_before = (*training_images.of_the_test(recipe, runs), *training_images.of_the_student(recipe, runs))
    if recipe.teacher.finetune:
        epochs = recipe.teacher.finetune.epochs
        length = f"{epochs} epoch{'s' * (epochs != 1)}"
        tuned = Finding("accuracy", "ok", f"Checked after its fine-tuning on {recipe.data.name} for {length}.")
        return TeacherCheck((tuned, *later, *tested_before, *paired), {})
    if later:
        return TeacherCheck((*later, *tested_before, *paired), {})
    unused = not methods.compares_classes(recipe.terms)
    predictions, layers_and_notes = _predicted(*_key(recipe, runs), str(device), runs, unused)
    if unused and len(predictions.teacher_classes) != len(predictions.data_classes):
        return TeacherCheck((UNUSED_CLASSES, *tested_before, *layers_and_notes, *paired), {})
    predictions = replace(predictions, seen=training_images.seen(recipe, predictions.split, runs))
    found, figures = judge(predictions, recipe)
    findings = (*found, *tested_before, *_size(recipe), *layers_and_notes, *paired)
    return TeacherCheck(findings, figures, len(predictions.targets), time.perf_counter() - began)


def check_built(teacher: Tapped, recipe: Recipe, images: Split, runs: Store | None = None) -> TeacherCheck:
    """The same check of a teacher that a run has built, on some of `images` with their correct labels."""
    assert recipe.teacher is not None
    began = time.perf_counter()
    if len(teacher.classes) != len(images.classes):  # nothing more can be compared
        nothing, no_labels = torch.zeros(0, len(teacher.classes)), torch.zeros(0, dtype=torch.long)
        none = Predictions(nothing, no_labels, teacher.classes, images.classes, images.name, "")
        return TeacherCheck(judge(none, recipe)[0], {})
    sampled = sample(images, image_count(teacher, images.targets.device), seed=recipe.data.seed_of("train"))
    predictions = predict(teacher, sampled, _own_normalisation(recipe.teacher, teacher), precision=recipe.precision)
    predictions = replace(predictions, seen=training_images.seen(recipe, images.name, runs))
    found, figures = judge(predictions, recipe)
    findings = (*found, *training_images.of_the_test(recipe, runs), *_size(recipe))
    return TeacherCheck(findings, figures, len(sampled), time.perf_counter() - began)


def _size(recipe: Recipe) -> tuple[Finding, ...]:
    return (found,) if (found := preflight.image_size(recipe)) else ()


def missing(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """Weights and images that are not on this machine yet, so that the run checks the teacher after its downloads."""
    assert recipe.teacher is not None
    sentences = (models.missing(recipe.teacher, runs), loading.missing(recipe.data))
    return tuple(
        Finding("download", "warn", f"{text} The teacher is checked after that.") for text in sentences if text
    )


def is_quick(recipe: Recipe) -> bool:
    """Whether the check takes only seconds, so that it may run by itself."""
    teacher, images = recipe.teacher, recipe.data
    if teacher is None or teacher.finetune or loading.missing(images):
        return True
    return datasets.get(images.name).obtained != "drawn" or (images.train_images or QUICKLY_DRAWN + 1) <= QUICKLY_DRAWN


def pairings(recipe: Recipe, runs: Store | None = None) -> tuple[Finding, ...]:
    """Terms that cannot be computed with these two networks, or that warn, each with the method's own reason."""
    teacher = without_weights(recipe.teacher, runs) if recipe.teacher else None
    return networks.pairings(recipe, without_weights(recipe.student, runs), teacher, loading.classes(recipe.data))


def _key(recipe: Recipe, runs: Store | None) -> tuple[str, str, str, int, str]:
    """What a check depends on: teacher, images, the student's normalisation and image size, and the checkpoint if the teacher is
    from a run."""
    assert recipe.teacher is not None
    views = loading.of_views(recipe).unaugmented()
    images = views.model_copy(update={"labels": "all", "label_noise": 0, "batch_size": 50})
    teacher, source = recipe.teacher.model_copy(update={"accept": False}), recipe.teacher.reference
    version = str(runs.checkpoint(source.run_id)) if runs and isinstance(source, RunNetwork) else ""
    student = without_weights(recipe.student, runs)
    sized = teacher.model_copy(update={"image_size": recipe.teacher_size})
    return sized.model_dump_json(), images.model_dump_json(), student.model_dump_json(), recipe.data.image_size, version


@once(maxsize=16)
def _predicted(
    teacher_spec: str,
    images_spec: str,
    student_spec: str,
    student_size: int,
    version: str,
    device_name: str,
    runs: Store | None,
    own_classes: bool,
) -> tuple[Predictions, tuple[Finding, ...]]:
    spec, device = TeacherRecipe.model_validate_json(teacher_spec), torch.device(device_name)
    images = DataRecipe.model_validate_json(images_spec)
    classes = loading.classes(images)
    size = spec.image_size or images.image_size
    notes: list[str] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHTS_SEED)
        teacher = models.build(spec, classes, size, runs=runs, report=notes.append, own_classes=own_classes).to(device)
        student = models.build(ModelRecipe.model_validate_json(student_spec), classes, student_size)
    teacher.resizes = True
    split = "validation" if "validation" in loading.splits(images) else "train"
    loaded = (Finding("loading", "ok", " ".join(notes)),) if notes else ()
    if len(teacher.classes) != len(classes):
        nothing, no_labels = torch.zeros(0, len(teacher.classes)), torch.zeros(0, dtype=torch.long)
        unlike = Predictions(nothing, no_labels, teacher.classes, classes, split, "")
        return unlike, (layers(teacher, student), *loaded)
    sampled = loading.load(images, split, device=device, at_most=image_count(teacher, device))
    normalisations = _own_normalisation(spec, teacher)
    if (normalisation := _statistics(student)) != _statistics(teacher):
        normalisations[STUDENTS] = normalisation
    return predict(teacher, sampled, normalisations), (layers(teacher, student), *loaded)


def layers(teacher: Tapped, student: Tapped) -> Finding:
    """The feature maps and attention that feature methods can compare, from shallow to deep."""
    return Finding("layers", "ok", f"Teacher: {_described(teacher)}. Student: {_described(student)}.")


def _described(model: Tapped) -> str:
    shapes = model.shapes()
    grids = [f"{height} × {width}" for _, height, width in shapes.features]
    if shapes.tokens:
        heads = f", {shapes.attention[0][0]} heads" if shapes.attention else _without_attention(shapes)
        return f"{len(grids)} blocks on a grid of {grids[-1]} patches{heads}" if grids else "no maps"
    return f"{len(grids)} maps of {', '.join(grids)}"


def _without_attention(shapes: Shapes) -> str:
    if shapes.class_token:
        return ", no attention map: its class token's attention cannot be read"
    return ", no class token, so no attention map"


def _own_normalisation(spec: TeacherRecipe, teacher: Tapped) -> dict[str, tuple[Statistics, Statistics]]:
    """The mean and std that the weights come with, where the recipe gives others."""
    return {OWN: teacher.came_with} if (spec.mean or spec.std) and teacher.came_with != _statistics(teacher) else {}


def _statistics(model: Tapped) -> tuple[Statistics, Statistics]:
    described = model.description()
    return tuple(described["mean"]), tuple(described["std"])
