"""The cost of a run before it starts: sizes, operations, and time from a few steps on this device."""

import copy
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from kdcore import methods, models, teacher_cache
from kdcore.checks import mixed_labels, networks
from kdcore.data import loading, selection
from kdcore.data.augment import Augmentation, mixing
from kdcore.data.batches import steps_per_epoch
from kdcore.methods.base import Method
from kdcore.models.sources import without_weights
from kdcore.models.teacher import Teacher
from kdcore.recipe import Recipe, TeacherRecipe, Term
from kdcore.recipe.recipe import Robustness
from kdcore.recipe.terms import SUPERVISED
from kdcore.runtime.once import once
from kdcore.store import Store
from kdcore.tensors.outputs import Batch, Outputs
from kdcore.training import optim
from kdcore.training.averaging import Averaged
from kdcore.training.distiller import Distiller

TRIED_IMAGES = 16


@dataclass(frozen=True)
class Estimate:
    """The cost of a run.

    flops: of one image's forward; a multiplication and an addition count as two. seconds: of the whole run, without evaluation.
    teacher_share: the teacher's share of a step's time, in [0, 1]; cached teacher outputs save it.
    view_bytes: size of the cached teacher outputs of one view; None where they cannot be cached.
    curves_seconds: what the curves on perturbed images add: a forward takes about a third of a step's time.
    downloads: weights and images that the run would download, a sentence each.
    """

    teacher_parameters: int
    student_parameters: int
    teacher_flops: int
    student_flops: int
    images: int  # seen in an epoch
    steps: int
    seconds: float
    device: str
    teacher_share: float
    view_bytes: int | None
    downloads: tuple[str, ...] = ()
    curves_seconds: float = 0.0


def estimate(recipe: Recipe, *, device: torch.device, runs: Store | None = None) -> Estimate:
    """Build the networks and time two steps of 16 images. Downloads nothing. Raises UserError as a run would."""
    teacher_cache.check(recipe)
    mixed_labels.check(recipe)
    per_image = _tried(_key(recipe, runs), str(device))
    kept = selection.counts(recipe.data)["train"]
    steps = recipe.epochs * _steps_per_epoch(recipe, kept, runs)
    computed = (
        min(recipe.kept_views, recipe.epochs) or recipe.epochs
    )  # epochs in which the teacher computes its outputs
    cached = (recipe.epochs - computed) * (1 - per_image.teacher_share)
    seconds = per_image.seconds * kept * (computed + cached)
    return Estimate(
        per_image.teacher_parameters, per_image.student_parameters, per_image.teacher_flops, per_image.student_flops,
        kept, steps, seconds, str(device), per_image.teacher_share,
        None if per_image.view_bytes is None else per_image.view_bytes * kept, downloads(recipe, runs),
        curves_seconds(recipe, per_image),
    )  # fmt: skip


def curves_seconds(recipe: Recipe, per_image: Estimate) -> float:
    """The time of student and twin on a run's perturbed images after every epoch, and of the teacher, which is measured once."""
    learners = per_image.seconds * (1 - per_image.teacher_share) / 3
    teacher = per_image.seconds * per_image.teacher_share
    return len(recipe.robustness.sets) * recipe.robustness.images * (recipe.epochs * learners + teacher)


def downloads(recipe: Recipe, runs: Store | None = None) -> tuple[str, ...]:
    """What a run of the recipe would download when it starts, a sentence each. Downloads nothing itself.

    Raises:
        ValueError: there are no such weights anywhere.
    """
    weights = [models.missing(spec, runs) for spec in (recipe.teacher, recipe.student) if spec]
    return tuple(dict.fromkeys(filter(None, (*weights, loading.missing(recipe.data)))))


def _steps_per_epoch(recipe: Recipe, images: int, runs: Store | None) -> int:
    spec, size = without_weights(recipe.student, runs), recipe.data.batch_size
    classes = len(loading.classes(recipe.data))
    smallest = networks.smallest_batch(spec, classes, recipe.data.image_size, images=images, batch_size=size)
    return steps_per_epoch(images, size, smallest)


# a term costs the same whatever its weight, and it is tried in a run of one epoch
ALIKE = {"weight": 1.0, "temperature": 1.0, "from_epoch": 1, "to_epoch": None, "adapt": None}


def _key(recipe: Recipe, runs: Store | None) -> str:
    """The recipe as far as it decides the cost of an image, its networks by name and with random weights."""
    teacher = without_weights(recipe.teacher, runs) if recipe.teacher else None
    return recipe.model_copy(
        update={
            "name": "estimate",
            "note": "",
            "teacher": teacher
            and TeacherRecipe(model=teacher.model, options=teacher.options, image_size=recipe.teacher_size),
            "student": without_weights(recipe.student, runs),
            "epochs": 1,
            "seeds": (0,),
            "terms": tuple(term.model_copy(update=ALIKE) for term in recipe.terms),
            "lr": recipe.lr.model_copy(update={"warmup_epochs": 0}),
            "robustness": Robustness(),
        }
    ).model_dump_json()


@once(maxsize=64)
def _tried(key: str, device_name: str) -> Estimate:
    trial = _Trial(Recipe.model_validate_json(key), torch.device(device_name))
    trial.step()  # the first is slower: kernels are chosen, memory is allocated
    began, trial.teaching = _now(trial.device), 0.0
    trial.step()
    trial.step()
    seconds = _now(trial.device) - began
    teacher, student, recipe = trial.teacher, trial.student, trial.recipe
    one = next(trial.batches).images[:1]
    return Estimate(
        teacher_parameters=models.parameters(teacher.model) if teacher else 0,
        student_parameters=models.parameters(student),
        teacher_flops=models.flops(teacher.model, recipe.teacher_size) if teacher else 0,
        student_flops=models.flops(student, recipe.data.image_size),
        images=0,
        steps=0,
        seconds=seconds / 2 / TRIED_IMAGES,
        device=device_name,
        teacher_share=trial.teaching / seconds,
        view_bytes=teacher_cache.row_bytes(teacher, list(trial.terms.values()), one) if teacher else None,
    )


class _Trial:
    """The networks of a recipe with random weights, trained on random pixels.

    teaching: seconds that the teacher took.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device, self.teaching = recipe, device, 0.0
        classes = loading.classes(recipe.data)
        self.student = models.build(recipe.student, classes, recipe.data.image_size).to(device)
        self.student.resizes = True
        self.teacher: Teacher | None = None
        if recipe.teacher:
            model = models.build(recipe.teacher, classes, recipe.teacher_size).to(device)
            model.resizes = True
            self.teacher = Teacher(model, precision=recipe.precision)
        self.terms = self._terms(len(classes))
        self._learners = self._distillers()
        self._optimizers = [optim.build(learner, recipe.optimizer) for learner in self._learners]
        decay = recipe.optimizer.ema
        self._averages = [Averaged(learner.student, decay) for learner in self._learners if decay]
        self.batches = _tried_batches(recipe, device)

    def step(self) -> None:
        batch = next(self.batches)
        for learner, optimizer in zip(self._learners, self._optimizers, strict=True):
            seen = learner.with_views(batch, progress=0.0)
            outputs = self._teacher_outputs(seen, learner)
            ones = dict.fromkeys(learner.terms, 1.0)
            objective, _ = learner(seen, outputs, ones, ones)
            objective.total.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for average, learner in zip(self._averages, self._learners, strict=False):
            average.update(learner.student, step=2)

    def _teacher_outputs(self, batch: Batch, learner: Distiller) -> Outputs | None:
        began = _now(self.device)
        outputs = self.teacher(batch.seen, learner.needs) if self.teacher and learner.uses_teacher else None
        self.teaching += _now(self.device) - began
        return outputs

    def _terms(self, classes: int) -> dict[str, Method]:
        shapes = self.student.shapes(), self.teacher.model.shapes() if self.teacher else None
        terms = {term.label: methods.build(term, *shapes) for term in self.recipe.terms}
        images = max(selection.counts(self.recipe.data)["train"], TRIED_IMAGES)
        for method in terms.values():  # a memory has the run's size
            method.see_data(torch.arange(images, device=self.device) % classes)
        return terms

    def _distillers(self) -> list[Distiller]:
        """Those of the student and, where the recipe has one, of its twin."""
        precision = self.recipe.precision
        found = [Distiller(self.student, self.terms, precision=precision).to(self.device).train()]
        if self.recipe.twin:
            ce = methods.build(Term(method=SUPERVISED), self.student.shapes(), None)
            found.append(Distiller(copy.deepcopy(self.student), {SUPERVISED: ce}, precision=precision).train())
        return found


def _tried_batches(recipe: Recipe, device: torch.device) -> Iterator[Batch]:
    """Batches of random pixels, augmented and mixed as the recipe's."""
    side, augment = loading.of_views(recipe).image_size, Augmentation.of(recipe.data)
    pixels = torch.randint(256, (TRIED_IMAGES, side, side, 3), dtype=torch.uint8, device=device)
    places = torch.arange(TRIED_IMAGES, device=device)
    for number in itertools.count():
        images = augment.apply(pixels.clone(), augment.draw(TRIED_IMAGES, (side, side), (number,)))
        batch = Batch(images, torch.zeros_like(places), places)
        yield mixing.mixed(batch, mixing.draw(recipe.data, (side, side), (number,)))


def _now(device: torch.device) -> float:
    """The time in seconds after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
