"""Fine-tuned teachers: trained once on a run's data, with labels alone, and shared by all runs with the same settings.

They are stored in `teachers/` of the data folder. The file name has a fingerprint of everything that decides the weights, so
a study of twelve runs fine-tunes one teacher, and another image, label, weight or setting makes another. The folder takes at
most KD_TEACHERS_GB: the least recently used files are removed. A run's folder has a link to its teacher, and keeps it if the
shared file is deleted. The random seed is always 0.
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

from kdcore import methods, models
from kdcore.checks import networks
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.events import CheckpointReady, Evaluated, Event, Noted, StepTaken
from kdcore.files import atomic, budget, disk
from kdcore.models import Tapped
from kdcore.paths import data_folder
from kdcore.recipe import FineTune, ModelRecipe, OptimizerRecipe, Probes, Recipe, Term
from kdcore.recipe.terms import SUPERVISED
from kdcore.tensors.outputs import Batch
from kdcore.training import optim
from kdcore.training.distiller import Distiller
from kdcore.training.loop import train
from kdcore.training.state import Learner, Parts

PROCEDURE = 1  # raise it when `_trained` changes, so that teachers of the former procedure are not reused
SEED = 0
LIMIT, DEFAULT_GB = "KD_TEACHERS_GB", 20.0  # of all fine-tuned teachers together


def stored(path: Path) -> Generator[Event, None, Tapped | None]:
    """The teacher in a file; None where there is none or, with a warning, where the file is damaged."""
    if not path.is_file():
        return None
    try:
        return models.load(str(path))
    except UserError as error:  # no safetensors file, or not the tensors that it should hold
        yield Noted(f"The fine-tuned teacher in {path} cannot be used, so it is fine-tuned again: {error}", "warning")
        return None


def tuned(
    model: Tapped, recipe: Recipe, settings: FineTune, train_split: Split, validation: Split | None, device: torch.device,
    own: Path | None = None,
) -> Generator[Event, None, Tapped]:  # fmt: skip
    """A teacher fine-tuned on the run's images with all their correct labels: the stored one, or trained and stored.

    Args:
        model: before fine-tuning, on the device.
        own: the run's own file of its teacher.
    """
    train_split = train_split.with_every_label()
    tuning = recipe_of(recipe, model, settings)
    file = data_folder() / "teachers" / f"{fingerprint(model, tuning, settings, train_split)}.safetensors"
    if (found := (yield from stored(file))) is None:
        yield from _trained(model, tuning, settings, train_split, validation, device)
        written = yield from _store(model, file, own)
        # read back, as a resumed run does: networks in training compute attention in another way, to other last bits
        read = (yield from stored(written)) if written else None
        return models.placed(read, device) if read else model
    os.utime(file)  # so that a file's date is that of its last use
    yield Noted(f"Using the teacher fine-tuned earlier with the same settings and images: {file}.")
    _link(file, own)
    return models.placed(found, device)


def recipe_of(recipe: Recipe, model: Tapped, settings: FineTune) -> Recipe:
    """The recipe of the fine-tuning: the images, batches, augmentation and precision of the run, and nothing else of it."""
    return Recipe(
        name="teacher",
        data=recipe.data.unmixed().model_copy(update={"labels": "all", "label_noise": 0.0}),
        student=ModelRecipe(model=model.name, options=model.options),
        terms=(Term(method=SUPERVISED),),
        optimizer=OptimizerRecipe(lr=settings.lr, accumulate=recipe.optimizer.accumulate),
        epochs=settings.epochs,
        seeds=(SEED,),
        precision=recipe.precision,
        probes=Probes(images=0),
    )


def fingerprint(model: Tapped, recipe: Recipe, settings: FineTune, split: Split) -> str:
    """A name that depends on the initial weights, the images, their labels and the settings of the fine-tuning."""
    decides = {
        "procedure": PROCEDURE,
        "model": model.description(),
        "finetune": settings.model_dump(),
        "batch_size": recipe.data.batch_size,
        "augment": sorted(recipe.data.augment),
        "precision": recipe.precision,
        "classes": split.classes,
        "images": list(split.images.shape),
    }
    # what is at its default is left out, so that the name is that of earlier versions
    if recipe.optimizer.accumulate > 1:
        decides["accumulate"] = recipe.optimizer.accumulate
    views = recipe.data.model_dump(mode="json", include={"resized_crop", "rand_augment", "erasing"})
    decides |= {name: value for name, value in views.items() if value}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    digest.update(_bytes(split.targets))
    digest.update(_bytes(split.images.sum(dim=(1, 2, 3))))  # the sum of each image detects a replaced one
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
    """Train the teacher with labels alone, by the same loop, so that it can be stopped like a run."""
    models.trainable(model)
    if settings.freeze_backbone:
        head = {id(p) for p in model.head_parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in head)
    parts = _parts(model, recipe, settings.lr, train_split, validation, device)
    length = f"{settings.epochs} epoch{'s' * (settings.epochs != 1)}"
    yield Noted(
        f"Fine-tuning the teacher on {recipe.data.name}: {length} of {parts.steps_per_epoch} steps, with the "
        f"correct label of each of the {len(train_split):,} training images. Runs with the same settings share it, whatever "
        "their seed. Few or wrong labels (data.labels, data.label_noise) apply to the student and the twin only."
    )
    yield from _trained_parts(parts, settings.epochs)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _parts(
    model: Tapped, recipe: Recipe, lr: float, train_split: Split, validation: Split | None, device: torch.device
) -> Parts:
    """The parts of the fine-tuning, in which the teacher is the student."""
    alone = {SUPERVISED: methods.build(Term(method=SUPERVISED), model.shapes(), None)}
    distiller = Distiller(model, alone, precision=recipe.precision).train()
    spec = ModelRecipe(model=model.name, options=model.options)
    return Parts(
        recipe=recipe,
        seed=SEED,
        device=device,
        student=Learner(distiller, optim.build(distiller, recipe.optimizer), lr),
        twin=None,
        teacher=None,
        train=train_split,
        validation=validation,
        test=train_split,
        pinned=Batch(train_split.images[:0], train_split.targets[:0], train_split.targets[:0]),
        smallest_batch=networks.smallest_batch(
            spec, len(model.classes), model.image_size, images=len(train_split), batch_size=recipe.data.batch_size
        ),
    )


def _trained_parts(parts: Parts, epochs: int) -> Iterator[Event]:
    """Train up to the test split, which must not influence a teacher."""
    for event in train(parts):
        match event:
            case StepTaken():
                yield StepTaken(0)
            case CheckpointReady(step=step) if step == parts.steps:
                return
            case Evaluated(epoch=epoch, metrics=metrics):
                right = metrics["student"]["top1"]
                yield Noted(
                    f"Teacher after epoch {epoch:.0f} of {epochs}: {100 * right:.1f} % of the validation images right."
                )


def _store(model: Tapped, file: Path, own: Path | None) -> Generator[Event, None, Path | None]:
    """Store the teacher; returns its file, None where there is none."""
    try:
        models.save(model, file)
    except Exception as error:  # safetensors raises no OSError
        words = disk.trouble(error, file.parent, then="later runs share it")
        if words is None and not isinstance(error, OSError):
            raise
        yield Noted(
            f"The fine-tuned teacher cannot be stored in {file.parent}, so the next run will fine-tune it again. {words or error}",
            "warning",
        )
        if own:
            models.save(model, own)
        return own
    most = budget.limit(LIMIT, DEFAULT_GB)
    budget.trim(file.parent.glob("*.safetensors"), most, keep=file, remove=Path.unlink)
    _link(file, own)
    return file


def _link(file: Path, own: Path | None) -> None:
    """Link the file into the run's folder, or copy it where the disk has no hard links."""
    if own is None:
        return
    own.unlink(missing_ok=True)
    try:
        os.link(file, own)
    except OSError:  # also where another process has just removed it, to keep to the limit
        with atomic.replacing(own) as temporary:
            shutil.copyfile(file, temporary)
