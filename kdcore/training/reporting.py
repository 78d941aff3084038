"""What the loop reports: its start, logged steps, and its speed."""

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import NotFinite
from kdcore.events import RunStarted, StepEnded
from kdcore.tensors.outputs import NO_LABEL, Batch, Objective
from kdcore.training.state import Parts
from kdcore.training.step import Settings, Taken


def started(parts: Parts, teacher: dict[str, float]) -> RunStarted:
    """`teacher`: its metrics on the validation images; empty without any."""
    student, recipe = parts.student.distiller, parts.recipe
    parameters = {
        "student": _count(student.student),
        "training_only": _count(student) - _count(student.student),
    } | ({"teacher": _count(parts.teacher.model)} if parts.teacher else {})
    return RunStarted(
        step=parts.step,
        steps=parts.steps,
        epochs=recipe.epochs,
        device=device_name(parts.device),
        precision=recipe.precision,
        classes=parts.train.classes,
        train_images=len(parts.train),
        labelled_images=int((parts.train.targets != NO_LABEL).sum()),
        parameters=parameters,
        teacher=teacher,
        resumed=parts.resumed,
        validation_images=len(parts.validation) if parts.validation else 0,
        test_images=len(parts.test),
    )


def step_ended(
    parts: Parts, taken: dict[str, Taken], batch: Batch, settings: Settings, images_per_second: float
) -> StepEnded:
    """The numbers of a step, read back from the device.

    Args:
        taken: by network.

    Raises:
        NotFinite: a loss is infinite or not a number.
    """
    losses = {name: _losses(name, own.objective, parts.step) for name, own in taken.items()}
    weights = {name: float(weight) for name, weight in taken["student"].objective.weights.items()}
    methods = parts.student.distiller.terms.items()
    return StepEnded(
        step=parts.step,
        epoch=parts.epoch,
        losses=losses,
        shares=_shares(weights, losses["student"]),
        weights=weights,
        temperatures={name: settings.temperatures[name] for name, method in methods if method.uses_temperature},
        learning_rate=settings.rate * parts.recipe.optimizer.lr,
        images_per_second=images_per_second,
        train_top1=_train_top1(taken, batch),
        indices=batch.indices.cpu().numpy(),
        arrays=_of_images(taken, batch),
    )


def _losses(network: str, objective: Objective, step: int) -> dict[str, float]:
    """The losses of a network by term, and their total. Raises NotFinite."""
    values = torch.stack([*objective.losses.values(), objective.total]).detach().tolist()  # waits for the device once
    losses = dict(zip([*objective.losses, "total"], values, strict=True))
    if not math.isfinite(losses["total"]):
        terms = ", ".join(f"{term} = {value:g}" for term, value in losses.items())
        raise NotFinite(
            f"The {network}'s loss is not finite at step {step} ({terms}). A lower learning rate, a gradient "
            "clip (optimizer.clip: 1.0) or precision: exact usually fixes it; the last checkpoint is from before."
        )
    return losses


def _shares(weights: dict[str, float], losses: dict[str, float]) -> dict[str, float]:
    """What each term adds to the total, as a share."""
    weighted = {name: abs(weights[name] * value) for name, value in losses.items() if name != "total"}
    total = sum(weighted.values()) or 1.0
    return {name: value / total for name, value in weighted.items()}


def _train_top1(taken: dict[str, Taken], batch: Batch) -> dict[str, float]:
    """The share of labelled images that each network predicts rightly; empty where no image has a label."""
    count = int((batch.targets != NO_LABEL).sum())
    return {name: _right(own.logits, batch).item() / count for name, own in taken.items() if count}


def _right(logits: Tensor, batch: Batch) -> Tensor:
    """The number of images predicted rightly; of a mixed one the share of the image whose label is predicted."""
    predicted, labelled = logits.argmax(dim=1), batch.targets != NO_LABEL
    own = ((predicted == batch.targets) & labelled).sum()
    if batch.other_targets is None:
        return own
    return batch.share * own + (1 - batch.share) * ((predicted == batch.other_targets) & labelled).sum()


def _of_images(taken: dict[str, Taken], batch: Batch) -> dict[str, np.ndarray]:
    """Losses and predicted classes of each image of a batch, each [n], as `store.run_files.batches` names them."""
    teacher = taken["student"].teacher
    found: dict[str, Tensor] = {}
    for name, own in taken.items():
        logs = own.logits.float().log_softmax(dim=1)
        found[f"{name}_class"] = logs.argmax(dim=1)
        losses = F.nll_loss(logs, batch.targets.clamp(min=0), reduction="none")
        if batch.other_targets is not None:
            others = F.nll_loss(logs, batch.other_targets.clamp(min=0), reduction="none")
            losses = batch.share * losses + (1 - batch.share) * others
        found[f"{name}_cross_entropy"] = losses.where(batch.targets != NO_LABEL, math.nan)
        if teacher is not None and teacher.shape == own.logits.shape:
            expected = teacher.float().log_softmax(dim=1)
            found[f"{name}_divergence"] = (expected.exp() * (expected - logs)).sum(dim=1)
            found["teacher_class"] = expected.argmax(dim=1)
    values = torch.stack([column.float() for column in found.values()]).cpu().numpy()  # waits for the device once
    return dict(zip(found, values, strict=True))


class Clock:
    """The time of the loop itself, without that of its listeners."""

    def __init__(self) -> None:
        self.busy = 0.0
        self._images = 0
        self._window = 0.0
        self._mark = time.perf_counter()

    def count(self, images: int) -> None:
        now = time.perf_counter()
        self._window += now - self._mark
        self.busy += now - self._mark
        self._mark = now
        self._images += images

    def since_logged(self) -> float:
        return self._window

    def images_per_second(self) -> float:
        speed = self._images / self._window if self._window else 0.0
        self._images, self._window = 0, 0.0
        return speed

    def resume(self) -> None:
        self._mark = time.perf_counter()


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def device_name(device: torch.device) -> str:
    """The name of a device for people: of the GPU, or the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else device.type
