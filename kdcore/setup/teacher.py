"""A run's teacher: loaded, fine-tuned where the recipe says so, and checked."""

from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import torch

from kdcore import methods, models
from kdcore.checks import teacher_check, training_images
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.events import Event, Noted
from kdcore.models import Tapped
from kdcore.models.teacher import Teacher
from kdcore.recipe import Recipe, TeacherRecipe
from kdcore.recipe.references import RandomWeights
from kdcore.setup import teacher_finetuning
from kdcore.store import Store


class Making(NamedTuple):
    """What a run gives its teacher. runs: for weights of earlier runs. file: of its fine-tuned teacher, which a resumed run reads."""

    seed: int
    device: torch.device
    runs: Store | None
    file: Path | None


def prepared(
    recipe: Recipe, train: Split, validation: Split | None, making: Making
) -> Generator[Event, None, tuple[Teacher | None, dict[str, float] | None]]:
    """The teacher, and what its check has measured; None where the recipe has no teacher.

    Raises:
        UserError: the check refuses it, and the recipe does not accept it all the same; with remedies.
    """
    if not recipe.teacher:
        return None, None
    yield Noted("Loading the teacher.")
    model = yield from _teacher(recipe, recipe.teacher, train, validation, making)
    model.resizes = True
    figures = yield from _checked(model, recipe, train, validation, making.runs)
    return Teacher(model, precision=recipe.precision), figures


def _teacher(
    recipe: Recipe, spec: TeacherRecipe, train: Split, validation: Split | None, making: Making
) -> Generator[Event, None, Tapped]:
    seed, device, runs, file = making
    if spec.finetune and file and (own := (yield from teacher_finetuning.stored(file))):
        return models.placed(own, device)
    torch.manual_seed(teacher_finetuning.SEED if spec.finetune else seed)
    notes: list[str] = []
    classes, side = train.classes, recipe.teacher_size
    own_classes = not methods.compares_classes(recipe.terms)
    model = models.build(spec, classes, side, runs=runs, report=notes.append, download=True, own_classes=own_classes)
    model = models.placed(model, device)
    yield from (Noted(text) for text in notes)
    if spec.finetune:
        return (yield from teacher_finetuning.tuned(model, recipe, spec.finetune, train, validation, device, file))
    if isinstance(spec.reference, RandomWeights) and own_classes:  # otherwise the check of its accuracy says so
        random = "The teacher's weights are random: a student cannot learn anything from it."
        yield Noted(
            f"{random} Choose a trained one, or fine-tune it first (teacher.finetune: {{epochs: 3}}).", "warning"
        )
    return model


def _checked(
    teacher: Tapped, recipe: Recipe, train: Split, validation: Split | None, runs: Store | None
) -> Generator[Event, None, dict[str, float] | None]:
    """Check the teacher that was built.

    Returns:
        its metrics on the validation images, where the check used all of them; else how many of them it was trained on, if known;
        and the milliseconds that an image takes.

    Raises:
        UserError: the check refuses it, and the recipe does not accept it all the same; with remedies.
    """
    images = (validation or train).with_every_label()
    if len(teacher.classes) != len(images.classes) and not methods.compares_classes(recipe.terms):
        yield from (Noted(each.in_words, "warning") for each in training_images.of_the_test(recipe, runs))
        return None
    checked = teacher_check.check_built(teacher, recipe, images, runs)
    for finding in checked.findings:
        accepted = recipe.teacher is not None and recipe.teacher.accept and not finding.final
        if finding.verdict == "stop" and not accepted:
            override = "" if finding.final else " To run it all the same: teacher.accept: true."
            raise UserError(f"The teacher's {finding.check}: {finding.in_words}{override}")
        if finding.verdict != "ok":
            yield Noted(f"The teacher's {finding.check}: {finding.in_words}", "warning")
        elif finding.check == "accuracy":
            yield Noted(f"The teacher gets {finding.finding}")
    whole = validation is not None and checked.images == len(validation)
    known = checked.figures if whole else {name: checked.figures[name] for name in ("seen",) if name in checked.figures}
    return known | {"milliseconds": 1000 * checked.seconds / checked.images} if checked.images else known or None
