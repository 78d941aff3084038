"""Exact arithmetic is that of a plain training loop, as one would write it in a notebook.

Sums in another order differ by about 1e-7. A network with ReLU turns such a difference, where an activation lies that close
to 0, into a whole gradient entry; so the CNN takes steps that are small enough for that not to grow in twenty of them.
"""

import copy
import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches
from kdcore.events import StepEnded
from kdcore.recipe import Recipe, from_plain
from kdcore.runtime import mixed_precision
from kdcore.setup.build import build_parts
from kdcore.training.loop import train
from kdcore.training.state import Parts

TEMPERATURE, EPOCHS, STEPS = 4.0, 4, 20


class Case(NamedTuple):
    student: str
    teacher: str
    optimizer: str
    lr: float


CASES = [Case("test_vit", "resnet20", "adamw", 1e-3), Case("resnet20", "test_vit", "sgd", 1e-5)]


def recipe(case: Case) -> Recipe:
    return from_plain(
        {
            "data": {
                "name": "cues", "image_size": 32, "train_images": 100, "test_images": 20, "validation": 0.2,
                "batch_size": 16, "augment": ["flip", "crop"],
            },
            "teacher": {"model": case.teacher, "accept": True},
            "student": {"model": case.student},
            "terms": [{"method": "ce", "weight": 0.3}, {"method": "kd", "weight": 0.7, "temperature": TEMPERATURE}],
            "optimizer": {"name": case.optimizer, "lr": case.lr, "weight_decay": 0.0, "momentum": 0.9},
            "epochs": EPOCHS,
            "probes": {"images": 0},
        }
    )  # fmt: skip


def built(chosen: Recipe) -> Parts:
    steps = build_parts(chosen, seed=0, device=torch.device("cpu"))
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            return ended.value


def plain_losses(parts: Parts, case: Case) -> list[float]:
    """The same networks and batches, laid out as numpy has them, every formula spelled out, no step fused."""
    student = copy.deepcopy(parts.student.distiller.student).to(memory_format=torch.contiguous_format).train()
    teacher = copy.deepcopy(parts.teacher.model).to(memory_format=torch.contiguous_format).eval()
    optimizer: Optimizer = (
        AdamW(student.parameters(), case.lr, weight_decay=0.0, foreach=False)
        if case.optimizer == "adamw"
        else SGD(student.parameters(), case.lr, momentum=0.9, nesterov=True, foreach=False)
    )
    losses: list[float] = []
    for epoch in range(EPOCHS):
        for batch in batches(parts.train, 16, seed=0, epoch=epoch, augment=Augmentation(("flip", "crop"))):
            optimizer.param_groups[0]["lr"] = case.lr * (1 + math.cos(math.pi * len(losses) / STEPS)) / 2
            images = batch.images.contiguous()
            with torch.no_grad():
                wanted = asked(teacher, images)
            said = asked(student, images)
            ce = F.cross_entropy(said, batch.targets)
            q, p = (each.div(TEMPERATURE).log_softmax(1) for each in (said, wanted))
            kd = TEMPERATURE**2 * (p.exp() * (p - q)).sum(1).mean()
            loss = 0.3 * ce + 0.7 * kd
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def asked(model: nn.Module, images: Tensor) -> Tensor:
    return model.net((images - model.mean) / model.std)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.teacher} to {case.student}")
def test_twenty_losses_are_those_of_a_plain_loop(case):
    mixed_precision.settle()
    parts = built(recipe(case))
    wanted = plain_losses(parts, case)
    told = [event.losses["student"]["total"] for event in train(parts) if isinstance(event, StepEnded)]
    assert len(told) == STEPS
    torch.testing.assert_close(told, wanted, rtol=1e-5, atol=1e-5)
