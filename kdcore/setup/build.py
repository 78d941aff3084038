"""The parts of a run from its recipe: data, teacher, student, twin, terms and optimizers."""

import copy
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from kdcore import methods, models, teacher_cache
from kdcore.checks import length, mixed_labels, networks, preflight, training_images
from kdcore.data import loading
from kdcore.data.folders import report as folder_report
from kdcore.data.split import Split
from kdcore.events import Event, Noted
from kdcore.methods.base import Method
from kdcore.models import Tapped
from kdcore.models.teacher import Teacher
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, Term, TwinRecipe
from kdcore.recipe.terms import SUPERVISED
from kdcore.runtime import mixed_precision
from kdcore.setup import teacher as teachers
from kdcore.store import Store
from kdcore.teacher_cache import TeacherCache
from kdcore.tensors.outputs import Batch
from kdcore.training import optim
from kdcore.training.averaging import Averaged
from kdcore.training.distiller import Distiller
from kdcore.training.state import Learner, Parts
from kdcore.weighting import UncertaintyWeights

Report = Callable[[str], None]
SAMPLE = 128  # validation images that are measured between epochs, at most those of two batches


class Splits(NamedTuple):
    train: Split
    validation: Split | None
    test: Split


def build_parts(
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    runs: Store | None = None,
    teacher_file: Path | None = None,
    report: Report | None = None,
) -> Generator[Event, None, Parts]:
    """Build a run's parts: yields notes about its progress and returns them. Downloads missing weights and images.

    Args:
        seed: of initialisation, batches and augmentation. Images are chosen by `recipe.data.seed`, which may be `run`: this seed.
        runs: for weights of earlier runs.
        teacher_file: for the run's fine-tuned teacher, so that a resumed run has the same one.
        report: called with sentences on the progress of reading data, at once; otherwise they are yielded after it.

    Raises:
        UserError: something does not fit; the message states how to fix it.
    """
    _check(recipe, runs)
    recipe = recipe.model_copy(update={"data": recipe.data.of_run(seed)})
    yield from _precision(recipe, device)
    making = teachers.Making(seed, device, runs, teacher_file)
    splits, teacher, figures = yield from _splits_and_teacher(recipe, making, report)

    torch.manual_seed(seed)
    student = yield from _student(recipe, splits.train.classes, device, runs)
    twin = copy.deepcopy(student) if recipe.twin else None
    smallest = yield from smallest_batch(student, recipe, len(splits.train))
    terms = yield from _terms(recipe, student, teacher, splits.train)
    if too_short := length.short(recipe, len(splits.train), smallest):
        yield Noted(too_short.in_words, "warning")
    distiller = _distiller(recipe, student, terms).to(device)
    return Parts(
        recipe=recipe,
        seed=seed,
        device=device,
        student=_learner(distiller, recipe, recipe.optimizer.lr),
        twin=_twin(twin, recipe) if twin else None,
        teacher=teacher,
        train=splits.train,
        validation=splits.validation,
        test=splits.test,
        pinned=pinned(splits.test, recipe.probes.images),
        teacher_cache=_cache(teacher, distiller, splits.train, recipe) if teacher else None,
        teacher_figures=figures,
        sample=_sample(splits.validation, recipe),
        smallest_batch=smallest,
    )


def _precision(recipe: Recipe, device: torch.device) -> Iterator[Noted]:
    if recipe.precision == "fast" and not mixed_precision.bfloat16_is_faster(device):
        yield Noted(f"bfloat16 is not faster on {device}, so precision: fast computes in float32, as exact does.")


def _splits_and_teacher(
    recipe: Recipe, making: teachers.Making, report: Report | None
) -> Generator[Event, None, tuple[Splits, Teacher | None, dict[str, float] | None]]:
    """The splits of the recipe's data, read or downloaded; the teacher, and what its check has measured.

    Test images come last, since another process may still draw them while the teacher is checked; before a fine-tuning, which damaged
    ones would waste.
    """
    notes: list[str] = []
    yield Noted(f"Loading the data: {recipe.data.name}.")
    yield from folder_notes(recipe.data)
    load = _loader(recipe, making.device, report or notes.append)
    train, validation = load("train"), load("validation") if recipe.data.validation else None
    test = load("test") if recipe.teacher and recipe.teacher.finetune else None
    yield from _noted(notes)
    teacher, figures = yield from teachers.prepared(recipe, train, validation, making)
    test = load("test") if test is None else test
    yield from _noted(notes)
    return Splits(train, validation, test), teacher, figures


def _student(
    recipe: Recipe, classes: tuple[str, ...], device: torch.device, runs: Store | None
) -> Generator[Event, None, Tapped]:
    notes: list[str] = []
    side = recipe.data.image_size
    student = models.build(recipe.student, classes, side, runs=runs, report=notes.append, download=True)
    student = models.trainable(models.placed(student, device))
    student.resizes = True
    yield from _noted(notes)
    yield from (Noted(each.in_words, "warning") for each in training_images.of_the_student(recipe, runs))
    return student


def _terms(
    recipe: Recipe, student: Tapped, teacher: Teacher | None, train: Split
) -> Generator[Event, None, dict[str, Method]]:
    """The methods of the recipe's terms by label, with warnings of what they meet here."""
    shapes = student.shapes(), teacher.model.shapes() if teacher else None
    terms = {term.label: methods.build(term, *shapes) for term in recipe.terms}
    for name, method in terms.items():
        method.see_data(train.targets)
        yield from (Noted(f"{name}: {text}", "warning") for text in method.warnings())
    yield from (Noted(text, "warning") for text in mixed_labels.warnings(recipe))
    return terms


def _distiller(recipe: Recipe, student: Tapped, terms: dict[str, Method]) -> Distiller:
    learned = UncertaintyWeights(tuple(terms)) if recipe.weighting == "uncertainty" else None
    return Distiller(student, terms, precision=recipe.precision, learned_weights=learned)


def smallest_batch(network: Tapped, recipe: Recipe, images: int) -> Generator[Event, None, int]:
    """Fewest images of a batch that the network can be trained on, with a note where the last batch changes for it."""
    spec = ModelRecipe(model=network.name, options=network.options)
    size = recipe.data.batch_size
    smallest = networks.smallest_batch(spec, len(network.classes), network.image_size, images=images, batch_size=size)
    if smallest > 1:
        yield Noted(
            f"The last batch of an epoch ({images:,} images in batches of {size}) would be a single image, on which "
            f"{network.name} cannot be trained (BatchNorm): it joins the batch before it."
        )
    return smallest


def folder_notes(data: DataRecipe) -> Iterator[Noted]:
    """What is known of a folder of the user's own before its files are read: a summary, and what looks like a mistake."""
    if folder_report.covers(data):
        found = folder_report.report(data)
        yield Noted(found.summary())
        yield from (Noted(text, "warning") for text in found.warnings)


def _check(recipe: Recipe, runs: Store | None) -> None:
    """Refuse what needs neither data nor networks to be refused; `checks.before_run` has been at it when a run starts."""
    preflight.check(recipe, runs)
    for term in recipe.terms:
        methods.check(term)
    teacher_cache.check(recipe)
    mixed_labels.check(recipe)


def pinned(test: Split, count: int) -> Batch:
    """The images whose heatmaps a run records: the first of each class in turn, from the test split."""
    order = _in_turns(test)[:count]
    first = test.at(order)
    return Batch(first.images.float() / 255, first.targets, order)


def _sample(validation: Split | None, recipe: Recipe) -> Split | None:
    """The first validation images of each class in turn: so few that they take less time than a step."""
    return validation.at(_in_turns(validation)[: min(SAMPLE, 2 * recipe.data.batch_size)]) if validation else None


def _in_turns(split: Split) -> torch.Tensor:
    """The places of a split's images, the first of each class, then the second of each, and so on."""
    ranks = torch.zeros_like(split.targets)
    for label in range(len(split.classes)):
        members = split.targets == label
        ranks[members] = torch.arange(int(members.sum()), device=split.targets.device)
    return (ranks * len(split.classes) + split.targets).argsort()


def _loader(recipe: Recipe, device: torch.device, report: Report) -> Callable[[str], Split]:
    data = loading.of_views(recipe)
    return lambda split: loading.load(data, split, device=device, report=report, download=True)


def _cache(teacher: Teacher, distiller: Distiller, split: Split, recipe: Recipe) -> TeacherCache | None:
    if not recipe.kept_views or not distiller.uses_teacher:
        return None
    return TeacherCache(teacher, [distiller.method(term.label) for term in recipe.terms], split, recipe)


def _learner(distiller: Distiller, recipe: Recipe, lr: float) -> Learner:
    decay = recipe.optimizer.ema
    averaged = Averaged(distiller.student, decay) if decay else None
    return Learner(distiller.train(), optim.build(distiller, recipe.optimizer, lr=lr), lr, averaged)


def _twin(student: Tapped, recipe: Recipe) -> Learner:
    """The same student trained with labels alone: the recipe's cross-entropy term at weight 1."""
    given = [term for term in recipe.terms if term.method == SUPERVISED]
    term = Term(method=SUPERVISED, options=given[0].options if given else {})
    distiller = Distiller(
        student, {SUPERVISED: methods.build(term, student.shapes(), None)}, precision=recipe.precision
    )
    lr = recipe.twin.lr if isinstance(recipe.twin, TwinRecipe) else None
    return _learner(distiller, recipe, lr or recipe.optimizer.lr)


def _noted(notes: list[str]) -> Generator[Event, None, None]:
    yield from (Noted(text) for text in notes)
    notes.clear()
