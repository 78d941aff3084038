"""From a recipe to the parts of its run: data, teacher, student, twin, terms and optimizers."""

import copy
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import torch

from kdcore import data, methods, models, optim, preflight
from kdcore.data import Split
from kdcore.distiller import Distiller
from kdcore.events import CheckpointReady, Evaluated, Event, Noted, StepTaken
from kdcore.models import Tapped
from kdcore.outputs import Batch
from kdcore.parts import Learner, Parts
from kdcore.recipe import FineTune, ModelRecipe, OptimizerRecipe, Probes, Recipe, TeacherRecipe, Term, TwinRecipe
from kdcore.store import Store
from kdcore.teacher import Teacher
from kdcore.trainer import train

Report = Callable[[str], None]


class Splits(NamedTuple):
    train: Split
    validation: Split | None
    test: Split


def assemble(
    recipe: Recipe, *, seed: int, device: torch.device, runs: Store | None = None, teacher_file: Path | None = None
) -> Generator[Event, None, Parts]:
    """Build a run's parts, saying what is going on; `return`s them.

    Args:
        seed: decides initialisation, batches and augmentation. The data's own seed decides which images there are.
        runs: where weights of earlier runs are found.
        teacher_file: where a fine-tuned teacher is kept, so that a resumed run need not tune it again.

    Raises:
        ValueError: something does not fit, with the remedy.
    """
    preflight.check(recipe, runs)
    for term in recipe.terms:
        methods.check(term)
    notes: list[str] = []

    yield Noted(f"Loading the data: {recipe.data.name}.")
    load = _loader(recipe, device, notes.append)
    splits = Splits(load("train"), load("validation") if recipe.data.validation else None, load("test"))
    classes = splits.train.classes
    yield from _said(notes)

    teacher = None
    if recipe.teacher:
        yield Noted("Loading the teacher.")
        model = yield from _teacher(recipe, recipe.teacher, splits, seed, device, runs, teacher_file)
        _same_classes(model, classes)
        teacher = Teacher(model, precision=recipe.precision)

    torch.manual_seed(seed)
    student = models.build(recipe.student, classes, recipe.data.image_size, runs=runs, report=notes.append)
    student = _trainable(_placed(student, device))
    twin = copy.deepcopy(student) if recipe.twin else None
    yield from _said(notes)

    shapes = student.shapes()
    theirs = teacher.model.shapes() if teacher else None
    terms = {term.label: methods.build(term, shapes, theirs) for term in recipe.terms}
    for name, method in terms.items():
        method.see_data(splits.train.targets)
        yield from (Noted(f"{name}: {text}", "warning") for text in method.warnings())
    distiller = Distiller(student, terms, precision=recipe.precision).to(device)
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
    )


def pinned(test: Split, count: int) -> Batch:
    """The images whose maps are followed: one of each class in turn, the first ones of the test split."""
    ranks = torch.zeros_like(test.targets)
    for label in range(len(test.classes)):
        mine = test.targets == label
        ranks[mine] = torch.arange(int(mine.sum()), device=test.targets.device)
    order = (ranks * len(test.classes) + test.targets).argsort()[:count]
    return Batch(test.images[order].float() / 255, test.targets[order], order)


def _loader(recipe: Recipe, device: torch.device, report: Report) -> Callable[[str], Split]:
    return lambda split: data.load(recipe.data, split, device=device, report=report)


def _placed(model: Tapped, device: torch.device) -> Tapped:
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _trainable(model: Tapped) -> Tapped:
    """On a CPU, attention by plain matrix products: the fused kernel's backward is slow there; without it a small
    ViT trains about twice as fast (python -m benchmarks.engine)."""
    if model.mean.device.type == "cpu":
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                setattr(module, "fused_attn", False)  # noqa: B010 (no attribute that types know)
    return model


def _learner(distiller: Distiller, recipe: Recipe, lr: float) -> Learner:
    return Learner(distiller.train(), optim.build(distiller, recipe.optimizer, lr=lr), lr)


def _twin(student: Tapped, recipe: Recipe) -> Learner:
    """The same student with labels alone: the recipe's own cross-entropy term, at weight 1."""
    given = [term for term in recipe.terms if term.method == "ce"]
    term = Term(method="ce", options=given[0].options if given else {})
    distiller = Distiller(student, {"ce": methods.build(term, student.shapes(), None)}, precision=recipe.precision)
    lr = recipe.twin.lr if isinstance(recipe.twin, TwinRecipe) else None
    return _learner(distiller, recipe, lr or recipe.optimizer.lr)


def _teacher(
    recipe: Recipe,
    spec: TeacherRecipe,
    splits: Splits,
    seed: int,
    device: torch.device,
    runs: Store | None,
    file: Path | None,
) -> Generator[Event, None, Tapped]:
    if spec.finetune and file and file.is_file():
        return _placed(models.load(str(file)), device)
    torch.manual_seed(seed)
    notes: list[str] = []
    model = models.build(spec, splits.train.classes, recipe.data.image_size, runs=runs, report=notes.append)
    model = _placed(model, device)
    if spec.finetune:
        model = _trainable(model)
    yield from _said(notes)
    if spec.weights == "none" and not spec.finetune:
        yield Noted("The teacher's weights are random: it knows nothing that a student could learn.", "warning")
    if spec.finetune:
        yield from _finetune(model, recipe, spec.finetune, splits, seed, device)
        if file:
            models.save(model, file)
    return model


def _finetune(
    model: Tapped,
    recipe: Recipe,
    settings: FineTune,
    splits: Splits,
    seed: int,
    device: torch.device,
) -> Generator[Event, None, None]:
    """Train the teacher with labels alone, through the same loop; what it yields can be stopped like a run."""
    if settings.freeze_backbone:
        head = {id(p) for p in model.head_parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in head)
    inner = recipe.model_copy(
        update={
            "teacher": None,
            "student": ModelRecipe(model=model.name),
            "twin": False,
            "terms": (Term(method="ce"),),
            "optimizer": OptimizerRecipe(lr=settings.lr),
            "epochs": settings.epochs,
            "probes": Probes(images=0),
        }
    )
    distiller = Distiller(
        model, {"ce": methods.build(Term(method="ce"), model.shapes(), None)}, precision=recipe.precision
    )
    learner = _learner(distiller, inner, settings.lr)
    parts = Parts(inner, seed, device, learner, None, None, *splits, pinned(splits.test, 0))
    yield Noted(
        f"Fine-tuning the teacher on {recipe.data.name}: {settings.epochs} epochs of {parts.steps_per_epoch} steps."
    )
    for event in train(parts):
        match event:
            case StepTaken():
                yield StepTaken(0)
            case CheckpointReady(step=step) if step == parts.steps:
                break  # what would follow is the test split, which has no say in a teacher
            case Evaluated(epoch=epoch, metrics=metrics):
                right = metrics["student"]["top1"]
                yield Noted(
                    f"Teacher after epoch {epoch:.0f} of {settings.epochs}: {right:.1%} of the held-out images right."
                )
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _same_classes(teacher: Tapped, classes: tuple[str, ...]) -> None:
    """The last word on trap 6: as many classes, under the same names, in the same order."""
    if len(teacher.classes) != len(classes):
        raise ValueError(
            f"The teacher answers {len(teacher.classes)} classes, the data has {len(classes)}. Fine-tune it on "
            "this data (teacher.finetune: {epochs: 3}) or choose weights that were trained on it."
        )
    for place, (theirs, ours) in enumerate(zip(teacher.classes, classes, strict=True)):
        if theirs != ours:
            raise ValueError(
                f"Class {place} is {theirs!r} to the teacher and {ours!r} in the data: the student would learn wrong answers. "
                "Fine-tune the teacher on this data (teacher.finetune: {epochs: 3}) or choose weights that were trained on it."
            )


def _said(notes: list[str]) -> Generator[Event, None, None]:
    yield from (Noted(text) for text in notes)
    notes.clear()
