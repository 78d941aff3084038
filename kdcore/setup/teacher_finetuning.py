"""Fine-tuned teachers: trained once on a run's data, with labels alone, and kept for every run that wants the same one.

A tuned teacher lies in `teachers/` of the data folder. Its name holds a fingerprint of all that decides it, so a study
of twelve runs tunes one teacher, and another image, label, weight or setting makes another. A run's folder has a link to
it: the run keeps its teacher whatever becomes of the shelf. The seed is always 0, for the teacher is not what varies.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kdcore.errors import UserError
from kdcore import methods, models
from kdcore.data.split import Split
from kdcore.events import CheckpointReady, Evaluated, Event, Noted, StepTaken
from kdcore.models import Tapped
from kdcore.paths import data_folder
from kdcore.recipe import FineTune, ModelRecipe, OptimizerRecipe, Probes, Recipe, Term
from kdcore.recipe.terms import SUPERVISED
from kdcore.tensors.outputs import Batch
from kdcore.training import optim
from kdcore.training.distiller import Distiller
from kdcore.training.loop import train
from kdcore.training.state import Learner, Parts

PROCEDURE = 1  # to be raised when `_trained` trains differently, so that older teachers are not taken for its own
SEED = 0


def recalled(path: Path) -> Generator[Event, None, Tapped | None]:
    """The teacher in a file, or None where there is none or the file is damaged, which is said."""
    if not path.is_file():
        return None
    try:
        return models.load(str(path))
    except UserError as error:  # no safetensors file, or not the tensors that it should hold
        yield Noted(f"The fine-tuned teacher in {path} cannot be used, so it is made again: {error}", "warning")
        return None


def tuned(
    model: Tapped, recipe: Recipe, settings: FineTune, train_split: Split, validation: Split | None, device: torch.device,
    own: Path | None = None,
) -> Generator[Event, None, Tapped]:  # fmt: skip
    """A teacher fine-tuned on the run's images with all their right labels: taken from the shelf, or trained and put there.

    Args:
        model: as it starts, on the device.
        own: where the run itself keeps its teacher.
    """
    train_split = train_split.with_every_label()
    asked = recipe_of(recipe, model, settings)
    file = data_folder() / "teachers" / f"{fingerprint(model, asked, settings, train_split)}.safetensors"
    if (found := (yield from recalled(file))) is None:
        yield from _trained(model, asked, settings, train_split, validation, device)
        yield from _kept(model, file, own)
        return model
    os.utime(file)  # so that the age of a file is the time since it was last of use
    yield Noted(f"The teacher was fine-tuned before, in the same way on the same images: it comes from {file}.")
    _linked(file, own)
    return models.placed(found, device)


def recipe_of(recipe: Recipe, model: Tapped, settings: FineTune) -> Recipe:
    """How a teacher is fine-tuned: the run's images, batches, augmentation and precision; nothing else of the run's."""
    return Recipe(
        name="teacher",
        data=recipe.data.model_copy(update={"labels": "all", "label_noise": 0.0}),
        student=ModelRecipe(model=model.name, options=model.options),
        terms=(Term(method=SUPERVISED),),
        optimizer=OptimizerRecipe(lr=settings.lr),
        epochs=settings.epochs,
        seeds=(SEED,),
        precision=recipe.precision,
        probes=Probes(images=0),
    )


def fingerprint(model: Tapped, recipe: Recipe, settings: FineTune, split: Split) -> str:
    """A name that changes with the starting weights, the images, their labels, or how the teacher is tuned."""
    asked = {
        "procedure": PROCEDURE,
        "model": model.description(),
        "finetune": settings.model_dump(),
        "batch_size": recipe.data.batch_size,
        "augment": sorted(recipe.data.augment),
        "precision": recipe.precision,
        "classes": split.classes,
        "images": list(split.images.shape),
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    digest.update(_bytes(split.targets))
    digest.update(_bytes(split.images.sum(dim=(1, 2, 3))))  # a sum an image finds a photo that was replaced
    return f"{model.name.replace('/', '-')}-{digest.hexdigest()[:16]}"


def _bytes(tensor: Tensor) -> memoryview:
    return np.ascontiguousarray(tensor.detach().cpu().numpy()).data


def _trained(
    model: Tapped,
    recipe: Recipe,
    settings: FineTune,
    train_split: Split,
    validation: Split | None,
    device: torch.device,
) -> Iterator[Event]:
    """Train the teacher with labels alone, through the same loop; what it yields can be stopped like a run."""
    models.trainable(model)
    if settings.freeze_backbone:
        head = {id(p) for p in model.head_parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in head)
    alone = {SUPERVISED: methods.build(Term(method=SUPERVISED), model.shapes(), None)}
    distiller = Distiller(model, alone, precision=recipe.precision).train()
    learner = Learner(distiller, optim.build(distiller, recipe.optimizer), settings.lr)
    nothing = Batch(train_split.images[:0], train_split.targets[:0], train_split.targets[:0])
    parts = Parts(recipe, SEED, device, learner, None, None, train_split, validation, train_split, nothing)
    yield Noted(
        f"Fine-tuning the teacher on {recipe.data.name}: {settings.epochs} epochs of {parts.steps_per_epoch} steps, with the "
        f"right label of each of the {len(train_split):,} training images. Every run that asks for the same teacher shares it, "
        "whatever its seed; few or wrong labels (data.labels, data.label_noise) are the student's and the twin's alone."
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


def _kept(model: Tapped, file: Path, own: Path | None) -> Iterator[Event]:
    try:
        models.save(model, file)
    except OSError as error:
        yield Noted(
            f"The fine-tuned teacher cannot be kept in {file.parent} ({error.strerror}): the next run tunes it again.",
            "warning",
        )
        if own:
            models.save(model, own)
        return
    _linked(file, own)


def _linked(file: Path, own: Path | None) -> None:
    """The same file under the run's own name: a hard link, or a copy where the disk cannot do that."""
    if own is None:
        return
    own.unlink(missing_ok=True)
    try:
        os.link(file, own)
    except OSError:
        shutil.copyfile(file, own)
