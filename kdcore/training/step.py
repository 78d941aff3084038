"""One step: of the student, and of its twin on the same batch; forward, backward and the optimizer."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kdcore.recipe.terms import SUPERVISED
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training import accumulation, gathering, optim
from kdcore.training.state import Learner, Parts

PARTS_APART = 1 << 40  # between the seeds of two parts of a batch


@dataclass(frozen=True)
class Settings:
    """What a step is taken with.

    weights, temperatures: of the student's terms, by label. rate: a factor on each learner's own learning rate.
    """

    progress: float
    weights: dict[str, float]
    temperatures: dict[str, float]
    rate: float

    @classmethod
    def now(cls, parts: Parts) -> "Settings":
        progress = parts.progress
        return cls(
            progress,
            parts.terms.weights(progress, parts.knobs),
            parts.terms.temperatures(progress, parts.knobs),
            parts.rate(progress),
        )


@dataclass(frozen=True)
class Taken:
    """A network's step. logits, teacher: [n, K] of the batch, the latter None where its loss read no teacher."""

    objective: Objective
    logits: Tensor
    teacher: Tensor | None


def take(
    parts: Parts, batch: Batch, settings: Settings, before_backward: Callable[[Objective], None]
) -> dict[str, Taken]:
    """A step of every network that learns, by its name; `parts.step` is counted by the loop.

    before_backward: called with the student's objective on the first part of the batch.
    """
    student, twin = parts.student, parts.twin
    divided = [
        student.distiller.with_views(part, settings.progress)
        for part in accumulation.divided(batch, parts.recipe.optimizer.accumulate)
    ]
    taken = {"student": _step(parts, student, divided, _teacher_outputs, settings, before_backward)}
    if twin:
        alone = Settings(settings.progress, {SUPERVISED: 1.0}, {SUPERVISED: 1.0}, settings.rate)
        taken["twin"] = _step(parts, twin, divided, _no_teacher, alone)
    return taken


def _teacher_outputs(parts: Parts, batch: Batch) -> Outputs | None:
    if parts.teacher is None or not parts.student.distiller.uses_teacher:
        return None
    if parts.teacher_cache:
        return parts.teacher_cache(batch)
    return parts.teacher(batch.seen, parts.student.distiller.needs)


def _no_teacher(parts: Parts, batch: Batch) -> None:
    return None


def _step(
    parts: Parts,
    learner: Learner,
    divided: Sequence[Batch],
    teacher_outputs: Callable[[Parts, Batch], Outputs | None],
    settings: Settings,
    before_backward: Callable[[Objective], None] = lambda objective: None,
) -> Taken:
    """One step of the optimizer on the parts of a batch (see `accumulation`).

    before_backward: called with the objective of the first part.
    """
    optim.set_learning_rate(learner.optimizer, learner.lr * settings.rate)
    shares, found, logits, of_teacher = accumulation.shares(divided), [], [], []
    for place, (batch, share) in enumerate(zip(divided, shares, strict=True)):
        teacher = teacher_outputs(parts, batch)
        with randomness(parts, place), learner.gradients(complete=place == len(divided) - 1):
            objective, outputs = learner(batch, teacher, settings.weights, settings.temperatures)
            if not place:
                before_backward(objective)
                learner.optimizer.zero_grad(set_to_none=True)
            (objective.total * share if share < 1 else objective.total).backward()
        found.append(objective)
        logits.append(outputs.logits.detach())
        of_teacher += [gathering.logits(teacher.logits[: len(batch.targets)], batch)] if teacher else []
        del objective, outputs, teacher  # their memory is needed for the next part
    if clip := parts.recipe.optimizer.clip:
        torch.nn.utils.clip_grad_norm_(learner.distiller.parameters(), clip)
    learner.optimizer.step()
    if learner.averaged:
        learner.averaged.update(learner.distiller.student, parts.step + 1)
    objective = accumulation.combined(found, shares)
    return Taken(objective, torch.cat(logits), torch.cat(of_teacher) if of_teacher else None)


@contextlib.contextmanager
def randomness(parts: Parts, place: int = 0) -> Iterator[None]:
    """Dropout and other random layers depend on (seed, step, part of the batch) alone: the same for student and twin, and in a
    resumed run."""
    devices = [parts.device] if parts.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        _seed(parts.seed * 1_000_003 + parts.step + PARTS_APART * place)
        yield


def _seed(number: int) -> None:
    """`torch.manual_seed`, which without an accelerator takes half a millisecond: it formats a traceback for each kind of them."""
    if torch.accelerator.is_available():
        torch.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)
