"""The loop. Parts in, events out; it knows no disk, no thread and no screen.

`train` is a generator: a test is `list(train(parts))`, stopping is not asking for the next event. Between two steps it
yields a StepTaken, at which `parts.state()` is whole and a knob may be turned.
"""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import torch

from kdcore.data.batches import batches
from kdcore.events import (
    CheckpointReady,
    Evaluated,
    Event,
    LayersWeighted,
    Noted,
    RunFinished,
    RunStarted,
    StepTaken,
    TermMeasured,
    WeightAdapted,
)
from kdcore.recipe.terms import SUPERVISED
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training import evaluation, optim, reporting
from kdcore.training.compilation import Compiling
from kdcore.training.distiller import Distiller
from kdcore.training.gradient_monitor import Pulls
from kdcore.training.state import Learner, Parts

LOGGED_STEPS = 500  # so many steps of a run are logged at least ...
LOGGED_SECONDS = 1.0  # ... and one a second
Result = TypeVar("Result")


def train(parts: Parts) -> Iterator[Event]:
    """Train from `parts.step` to the end; then measure on the test split.

    Raises:
        FloatingPointError: a loss is not finite any more, with what to try.
    """
    recipe, steps, per_epoch = parts.recipe, parts.steps, parts.steps_per_epoch
    terms, rate = parts.terms, recipe.lr.schedule(recipe.epochs)
    log_every = max(1, steps // LOGGED_STEPS)
    checkpoint_every = max(1, round(recipe.checkpoint_every * per_epoch))
    clock, prober = reporting.Clock(), reporting.Prober(parts)
    pulls, compiling = Pulls(parts, clock), Compiling(parts)

    yield (yield from _started(parts))
    if not parts.resumed:
        yield from _prepared(parts)
        yield from _terms_measured(parts)
        yield from prober.take(always=True)
    elif parts.step and parts.step % per_epoch == 0:
        yield from _epoch_ended(parts)  # it may have been stopped just before
    if parts.teacher_cache:
        yield from parts.teacher_cache.open()
    clock.resume()

    while parts.step < steps:
        start = parts.step % per_epoch
        epoch_batches = batches(
            parts.train,
            recipe.data.batch_size,
            seed=parts.seed,
            epoch=parts.step // per_epoch,
            augment=recipe.data.augment,
            start=start,
            views=recipe.kept_views,
            view_seed=recipe.data.seed,
        )
        for batch in epoch_batches:
            progress = parts.step / steps
            weights, temperatures = terms.weights(progress, parts.knobs), terms.temperatures(progress)
            factor = rate(progress) * parts.knobs.get("learning_rate", 1.0)

            compiling.step_begins(measured=pulls.due())
            batch = parts.student.distiller.with_views(batch, progress)
            said = _teacher_says(parts, batch)
            objective, outputs = _step(parts, parts.student, batch, said, weights, temperatures, factor, pulls.measure)
            objectives, answers = {"student": objective}, {"student": outputs.logits}
            if parts.twin:
                alone, twin_outputs = _step(parts, parts.twin, batch, None, {SUPERVISED: 1.0}, {SUPERVISED: 1.0}, factor)
                objectives["twin"], answers["twin"] = alone, twin_outputs.logits
            parts.step += 1
            clock.count(len(batch.targets))
            compiling.step_ended()

            if parts.step % log_every == 0 or parts.step == steps or clock.since_logged() > LOGGED_SECONDS:
                speed = clock.images_per_second()
                rate_now = factor * recipe.optimizer.lr
                yield reporting.step_ended(parts, objectives, answers, batch, temperatures, rate_now, speed)
            yield from pulls.told()
            if parts.teacher_cache:
                yield from parts.teacher_cache.notes()
            if parts.step % per_epoch == 0:
                yield from _epoch_ended(parts)
            yield from prober.take(always=parts.step == steps, budget=recipe.probes.budget * clock.busy)
            if parts.step % checkpoint_every == 0 or parts.step == steps:
                yield CheckpointReady(parts.step, parts.epoch, parts.state())
            yield from compiling.told()
            yield StepTaken(parts.step)
            clock.resume()

    results = yield from _breathing(
        parts, evaluation.compare_in_steps(parts.models, parts.test, precision=recipe.precision)
    )
    yield RunFinished(parts.step, results, clock.busy)


def _prepared(parts: Parts) -> Iterator[Event]:
    """What methods learn of the teacher alone, from batches that no step uses."""
    for name, method in parts.student.distiller.methods.items():
        for text in method.prepare(parts.teacher, _endless(parts)):  # type: ignore[operator]
            yield Noted(f"{name}: {text}")
            yield StepTaken(parts.step)


def _endless(parts: Parts) -> Iterator[Batch]:
    data = parts.recipe.data
    for epoch in itertools.count():
        yield from batches(parts.train, data.batch_size, seed=parts.seed + 1_000_003, epoch=epoch, augment=data.augment)


def _teacher_says(parts: Parts, batch: Batch) -> Outputs | None:
    if parts.teacher is None or not parts.student.distiller.uses_teacher:
        return None
    if parts.teacher_cache:
        return parts.teacher_cache(batch)
    return parts.teacher(batch.seen, parts.student.distiller.needs)


def _step(
    parts: Parts,
    learner: Learner,
    batch: Batch,
    teacher: Outputs | None,
    weights: dict[str, float],
    temperatures: dict[str, float],
    factor: float,
    before_backward: Callable[[Objective], None] = lambda objective: None,
) -> tuple[Objective, Outputs]:
    optim.set_learning_rate(learner.optimizer, learner.lr * factor)
    with _randomness(parts):
        objective, outputs = learner.distiller(batch, teacher, weights, temperatures)
        before_backward(objective)
        learner.optimizer.zero_grad(set_to_none=True)
        objective.total.backward()
    if clip := parts.recipe.optimizer.clip:
        torch.nn.utils.clip_grad_norm_(learner.distiller.parameters(), clip)
    learner.optimizer.step()
    return objective, outputs


@contextlib.contextmanager
def _randomness(parts: Parts) -> Iterator[None]:
    """Dropout and the like draw from (seed, step) alone: student and twin alike, and a resumed run the same again."""
    devices = [parts.device] if parts.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(parts.seed * 1_000_003 + parts.step)
        yield


def _started(parts: Parts) -> Generator[Event, None, RunStarted]:
    teacher = parts.teacher_figures or {}
    if parts.teacher and parts.validation and not teacher:
        figures = yield from _breathing(
            parts,
            evaluation.evaluate_in_steps(
                {"it": parts.teacher.model}, parts.validation, precision=parts.recipe.precision
            ),
        )
        teacher = figures["it"]
    return reporting.started(parts, teacher)


def _epoch_ended(parts: Parts) -> Iterator[Event]:
    """What is done and measured after an epoch. May be called again where a run is resumed at the end of one."""
    for name, method in parts.student.distiller.methods.items():
        if (shares := method.layer_weights()) is not None:  # type: ignore[operator]
            yield LayersWeighted(parts.step, parts.epoch, name, tuple(shares.tolist()))
        for text in method.epoch_ended(parts.step // parts.steps_per_epoch):  # type: ignore[operator]
            yield Noted(f"{name}: {text}")
    yield from _terms_measured(parts)
    yield from _weights_adapted(parts)
    if parts.validation:
        learning = {name: model for name, model in parts.models.items() if name != "teacher"}
        metrics = yield from _breathing(
            parts, evaluation.evaluate_in_steps(learning, parts.validation, precision=parts.recipe.precision)
        )
        yield Evaluated(parts.step, parts.epoch, "validation", metrics)


def _terms_measured(parts: Parts) -> Iterator[Event]:
    for name, method in parts.student.distiller.methods.items():
        if figures := method.figures():  # type: ignore[operator]
            yield TermMeasured(parts.step, parts.epoch, name, figures)


def _weights_adapted(parts: Parts) -> Iterator[Event]:
    """Weights follow a loss on the held-out images. Its temperature is that of the first step, so that epochs compare."""
    adaptive, epoch, own = parts.terms.adaptive, parts.step // parts.steps_per_epoch, parts.student.distiller
    if not (names := adaptive.watched(epoch)):
        return
    assert parts.validation is not None, "the recipe saw to it"
    watched = Distiller(own.student, {name: own.method(name) for name in names}, precision=own.precision)
    temperatures = parts.terms.temperatures(0.0)
    losses = yield from _breathing(
        parts, evaluation.losses_in_steps(watched, parts.teacher, parts.validation, temperatures)
    )
    for name, loss in losses.items():
        yield TermMeasured(parts.step, parts.epoch, name, {"held-out loss": loss})
    for change in adaptive.observe(losses, epoch):
        yield WeightAdapted(parts.step, parts.epoch, change.term, change.factor, change.reason)


def _breathing(parts: Parts, measuring: Generator[None, None, Result]) -> Generator[Event, None, Result]:
    """Measure with a StepTaken between batches, so that a stop need not wait for a whole split."""
    while True:
        try:
            next(measuring)
        except StopIteration as ended:
            result: Result = ended.value
            return result
        yield StepTaken(parts.step)
