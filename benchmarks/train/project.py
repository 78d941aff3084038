"""This project's variants: a recipe, assembled and driven by the trainer as in the app.

Left out, because the scripts and libraries compared with have neither: heatmaps of pinned images (at most 2 % of a run's
time) and gradient norms (at most 5 %).
"""

import os
from pathlib import Path
from typing import Any

import torch

from benchmarks.train import script
from benchmarks.train.interleaved import Laps, Steps
from benchmarks.train.pairs import Pair
from kdcore import recipe
from kdcore.data import loading
from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches
from kdcore.events import StepTaken
from kdcore.recipe import Recipe
from kdcore.runtime import mixed_precision
from kdcore.setup.build import build_parts
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training import compilation
from kdcore.training.loop import train
from kdcore.training.state import Parts

PAST_THE_FIRST = 1000  # steps: gradients are measured often in a run's first hundred


def steps(
    pair: Pair, folder: Path, precision: str, laps: Laps, *, cached: bool = False, compiled: bool = False
) -> Steps:
    """With `cached` the teacher's outputs are cached, so that it runs in the first epoch alone. With `compiled` the run
    tries torch.compile in its first steps, and uses it where it is faster."""
    os.environ["KD_DATA"] = str(folder)  # and its teacher-cache
    mixed_precision.settle()
    parts = built(as_recipe(pair, folder, precision, cached, compiled))
    parts.step, parts.resumed = PAST_THE_FIRST, True
    book(parts, laps)
    for event in train(parts):
        if isinstance(event, StepTaken) and event.step > PAST_THE_FIRST:
            laps("rest")
            yield script.batch(pair)


def steps_an_epoch(pair: Pair) -> int:
    return train_images(pair) // script.batch(pair)


def steps_until_compiled() -> int:
    """Steps until a run has decided whether its networks run compiled."""
    return compilation.WARM_UP + 2 * compilation.TIMED + compilation.SETTLING + 1


def train_images(pair: Pair) -> int:
    """A few batches."""
    return max(pair.train_images, 2 * script.batch(pair))


def as_recipe(pair: Pair, folder: Path, precision: str, cached: bool = False, compiled: bool = False) -> Recipe:
    plain = {
        "name": pair.title[:80],
        "data": {
            "name": "folder", "path": str(folder), "image_size": pair.size, "batch_size": script.batch(pair),
            "validation": 0, "augment": list(pair.augment),
        },
        "teacher": {"model": pair.teacher, "options": pair.teacher_options, "accept": True},
        "student": {"model": pair.student, "options": pair.student_options},
        "terms": [{"method": "ce", "weight": 0.1}, {"method": "kd", "weight": 0.9}, *pair.terms],
        "optimizer": {"name": pair.optimizer},
        "epochs": 10_000,
        "precision": precision,
        "compile": compiled,
        "probes": {"images": 0},
        "checkpoint_every": 10_000,
    }  # fmt: skip
    made = recipe.from_plain(plain)
    return recipe.with_values(made, {"teacher.cache_views": 1}) if cached else made


def built(wanted: Recipe) -> Parts:
    events = build_parts(wanted, seed=0, device=script.DEVICE)
    while True:
        try:
            next(events)
        except StopIteration as ended:
            return ended.value


def book(parts: Parts, laps: Laps) -> None:
    """Measure the parts of a step's time with hooks."""
    distiller, optimizer = parts.student.distiller, parts.student.optimizer
    assert parts.teacher is not None
    if parts.teacher_cache:
        parts.teacher_cache = _Booked(parts.teacher_cache, laps)  # type: ignore[assignment]
    else:
        parts.teacher.register_forward_pre_hook(lambda *_: laps("data"))
        parts.teacher.register_forward_hook(lambda *_: laps("teacher"))
    distiller.register_forward_pre_hook(lambda *_: laps("rest"))
    distiller.student.register_forward_hook(lambda *_: laps("student forward"))

    def losses_known(_module: Any, _inputs: Any, outputs: tuple[Objective, Outputs]) -> None:
        laps("losses")
        outputs[0].total.register_hook(lambda _gradient: laps("rest"))

    distiller.register_forward_hook(losses_known)
    optimizer.register_step_pre_hook(lambda *_: laps("backward"))
    optimizer.register_step_post_hook(lambda *_: laps("optimizer"))


class _Booked:
    """A teacher cache whose time is measured."""

    def __init__(self, cache: Any, laps: Laps) -> None:
        self._cache, self._laps = cache, laps

    def __call__(self, batch: Batch) -> Outputs:
        self._laps("data")
        outputs: Outputs = self._cache(batch)
        self._laps("teacher")
        return outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


def only_loading(pair: Pair, folder: Path, laps: Laps) -> Steps:
    """Batches as the trainer gets them, and normalised once, as the script's are."""
    mixed_precision.settle()
    split = loading.load(as_recipe(pair, folder, "exact").data, "train", device=script.DEVICE)
    mean, std = (torch.tensor(each, device=script.DEVICE).view(1, 3, 1, 1) for each in (script.MEAN, script.STD))
    epoch = 0
    while True:
        for batch in batches(split, script.batch(pair), seed=0, epoch=epoch, augment=Augmentation(tuple(pair.augment))):
            yield len((batch.images - mean) / std)
        epoch += 1
