"""A run's parts in several processes: the same weights in all of them, and gradients averaged by DistributedDataParallel."""

import hashlib
import warnings as python_warnings
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import Recipe, RecipeError
from kdcore.runtime import distributed
from kdcore.runtime.distributed import Process
from kdcore.tensors.outputs import Objective, Outputs
from kdcore.training.distiller import Distiller
from kdcore.training.state import Parts

COMPARED = 64  # images of a split whose pixels are compared


def check(recipe: Recipe, world: int) -> None:
    """Refuse a recipe whose batches are too small for so many processes. Raises RecipeError."""
    images = recipe.data.batch_size // recipe.optimizer.accumulate
    if images < world:
        parts = (
            f" in {recipe.optimizer.accumulate} parts (optimizer.accumulate)" if recipe.optimizer.accumulate > 1 else ""
        )
        raise RecipeError(
            f"data.batch_size is {recipe.data.batch_size}{parts}, and the run has {world} processes, each of which needs an image: "
            f"use {world * recipe.optimizer.accumulate} or more, or fewer processes (--nproc-per-node)."
        )


def warnings(parts: Parts) -> list[str]:
    """What is different from a run in one process, as sentences."""
    if parts.process.alone:
        return []
    found = []
    if random := _random_layers(parts.student.distiller):
        found.append(
            f"The student has random layers ({random}), which draw other numbers in each process: losses are not those of a single "
            "process, nor of another number of them."
        )
    if parts.recipe.compile:
        found.append("compile: true has no effect in a run of several processes.")
    if parts.recipe.data.batch_size % parts.process.world:
        found.append(
            f"data.batch_size is {parts.recipe.data.batch_size}, no multiple of {parts.process.world} processes: some of them wait for "
            "one that has an image more."
        )
    return found


def join(parts: Parts, process: Process) -> None:
    """Make parts that were built in every process those of one run. Every process calls it at the same time.

    Raises:
        UserError: the processes have different images.
    """
    parts.process = process
    for split in (parts.train, parts.validation, parts.test):
        _check_same(split, process)
    if parts.teacher:
        distributed.share_state(parts.teacher.model)
    for learner in parts.learners.values():
        distributed.share_state(learner.distiller)
        if learner.averaged:
            distributed.share_state(learner.averaged.network)
        learner.replica = _replicated(learner.distiller)
    state = distributed.as_first(parts.state() if parts.resumed and process.first else None)
    if state and not process.first:
        parts.load_state(state)
    known = distributed.as_first((parts.teacher_figures, parts.smallest_batch, parts.calibration))
    parts.teacher_figures, parts.smallest_batch, parts.calibration = known


def _replicated(distiller: Distiller) -> DistributedDataParallel:
    # gradients of 1 x 1 convolutions with channels last have other strides, and the same order in memory
    python_warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # its successor is not known to earlier versions
    python_warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    # a term that does not count now, or a layer that is not selected, has parameters without a gradient
    return DistributedDataParallel(_Outer(distiller), broadcast_buffers=False, find_unused_parameters=True)


class _Outer(nn.Module):
    """A distiller whose outputs have no graph: DistributedDataParallel expects a gradient of whatever is returned with one."""

    def __init__(self, distiller: Distiller) -> None:
        super().__init__()
        self.distiller = distiller

    def forward(self, *arguments: Any) -> tuple[Objective, Outputs]:
        objective, outputs = self.distiller(*arguments)
        return objective, Outputs(outputs.logits.detach(), outputs.pooled.detach())


def _random_layers(module: nn.Module) -> str:
    """The kinds of layers that draw random numbers in training."""
    kinds = {
        type(each).__name__
        for each in module.modules()
        if type(each).__name__.lower().startswith(("drop", "alphadropout", "featurealpha"))
        and any(getattr(each, name, 0) for name in ("p", "drop_prob"))
    }
    return ", ".join(sorted(kinds))


def _check_same(split: Split | None, process: Process) -> None:
    if split is None:
        return
    places = torch.linspace(0, len(split) - 1, min(COMPARED, len(split))).long()
    digest = hashlib.sha256(split.targets.cpu().numpy().tobytes())
    digest.update(split.images[places.to(split.images.device)].cpu().contiguous().numpy().tobytes())
    own = (len(split), digest.hexdigest())
    if differ := distributed.differing(own):
        raise UserError(
            f"The processes have different {split.name} images: process {differ} has others than process 0. All machines need the "
            "same files; a folder that they share (KD_DATA) is safest."
        )
