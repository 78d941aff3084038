"""The training loop: a generator of events, from the first step to the test results. No files, threads or pages.

`train` is a generator: a test is `list(train(parts))`, and stopping is not asking for the next event. Between two steps it
yields a StepTaken, at which `parts.state()` is complete and a knob may be changed.
"""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

import torch

from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches, training_batches
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
from kdcore.runtime import distributed
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training import accumulation, averaging, evaluation, gathering, optim, replicas, reporting
from kdcore.training.compilation import CompilationTrial
from kdcore.training.distiller import Distiller
from kdcore.training.gradient_monitor import GradientMonitor
from kdcore.training.interim import Interim
from kdcore.training.robustness import RobustnessMonitor
from kdcore.training.state import Learner, Parts

LOGGED_STEPS = 500  # at least so many steps of a run are logged ...
LOGGED_SECONDS = 1.0  # ... and at least one a second
PARTS_APART = 1 << 40  # between the seeds of two parts of a batch
Result = TypeVar("Result")


def train(parts: Parts) -> Iterator[Event]:
    """Train from `parts.step` to the last step, then measure on the test split.

    Raises:
        NotFinite: a loss is infinite or not a number.
    """
    recipe, student, twin, cache = parts.recipe, parts.student, parts.twin, parts.teacher_cache
    steps, per_epoch = parts.steps, parts.steps_per_epoch
    log_every = max(1, steps // LOGGED_STEPS)
    checkpoint_every = max(1, round(recipe.checkpoint_every * per_epoch))
    clock, interim = reporting.Clock(), Interim(parts)
    gradients, compilation = GradientMonitor(parts, clock), CompilationTrial(parts)
    robustness = RobustnessMonitor(parts)

    yield from _begin(parts, interim, robustness)
    if cache:
        yield from cache.open()
    clock.resume()

    for batch in _remaining_batches(parts):
        progress = parts.step / steps
        weights = parts.terms.weights(progress, parts.knobs)
        temperatures = parts.terms.temperatures(progress, parts.knobs)
        rate = parts.rate(progress)  # a factor on each learner's own

        compilation.before_step(measured=gradients.due())
        batches_of_step = [
            student.distiller.with_views(part, progress)
            for part in accumulation.divided(batch, recipe.optimizer.accumulate)
        ]
        taken = {
            "student": _step(
                parts, student, batches_of_step, _teacher_outputs, weights, temperatures, rate, gradients.measure
            )
        }
        if twin:
            alone = {SUPERVISED: 1.0}
            taken["twin"] = _step(parts, twin, batches_of_step, _no_teacher, alone, alone, rate)
        parts.step += 1
        clock.count(len((batch.whole or batch).targets))
        compilation.after_step()

        last, epoch_ended = parts.step == steps, parts.step % per_epoch == 0
        logged = parts.step % log_every == 0 or last or clock.since_logged() > LOGGED_SECONDS
        if logged and parts.process.first:
            speed, lr = clock.images_per_second(), rate * recipe.optimizer.lr
            yield reporting.step_ended(parts, taken, batch.whole or batch, temperatures, lr, speed)
        yield from gradients.events()
        if cache:
            yield from cache.notes()
        if epoch_ended:
            yield from _epoch_ended(parts, robustness)
        if parts.process.first:
            yield from interim.after_step(clock.busy)
        if (parts.step % checkpoint_every == 0 or last) and parts.process.first:
            yield CheckpointReady(parts.step, parts.epoch, parts.state())
        yield from compilation.notes()
        yield StepTaken(parts.step)
        clock.resume()

    measuring = evaluation.compare_in_steps(
        parts.models, parts.test, precision=recipe.precision, temperatures=parts.calibration, process=parts.process
    )
    found = yield from _interruptible(parts, measuring)
    yield RunFinished(parts.step, found.results, clock.busy, arrays=found.predictions)


def _begin(parts: Parts, interim: Interim, robustness: RobustnessMonitor) -> Iterator[Event]:
    """Report the start; of a new run also what is measured before the first step."""
    yield (yield from _started(parts))
    if not parts.resumed:
        yield from (Noted(text, "warning") for text in accumulation.warnings(parts.recipe))
        yield from (Noted(text, "warning") for text in replicas.warnings(parts))
        yield from _prepare_methods(parts)
        yield from _terms_measured(parts)
    elif parts.step and parts.step % parts.steps_per_epoch == 0:
        yield from _epoch_ended(parts, robustness)  # it may have been stopped just before
    if parts.process.first:
        yield from interim.begin()


def _remaining_batches(parts: Parts) -> Iterator[Batch]:
    """The batches from `parts.step` to the end of the run; the loop counts `parts.step` up between them."""
    while parts.step < parts.steps:
        yield from training_batches(
            parts.train, parts.recipe, seed=parts.seed, step=parts.step, per_epoch=parts.steps_per_epoch,
            smallest=parts.smallest_batch, process=parts.process,
        )  # fmt: skip


def _prepare_methods(parts: Parts) -> Iterator[Event]:
    """Let methods learn from the teacher alone, on batches that no step uses."""
    for name, method in parts.student.distiller.methods.items():
        for text in method.prepare(parts.teacher, _endless_batches(parts)):  # type: ignore[operator]
            yield Noted(f"{name}: {text}")
            yield StepTaken(parts.step)
    if not parts.process.alone:  # each of them has done the same
        distributed.share_state(parts.student.distiller.methods)


def _endless_batches(parts: Parts) -> Iterator[Batch]:
    data = parts.recipe.data
    for epoch in itertools.count():
        yield from batches(
            parts.train, data.batch_size, seed=parts.seed + 1_000_003, epoch=epoch, augment=Augmentation.of(data),
            smallest=parts.smallest_batch,
        )  # fmt: skip


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
    batches_of_step: Sequence[Batch],
    teacher_outputs: Callable[[Parts, Batch], Outputs | None],
    weights: dict[str, float],
    temperatures: dict[str, float],
    rate: float,
    before_backward: Callable[[Objective], None] = lambda objective: None,
) -> reporting.Taken:
    """One step of the optimizer on the parts of a batch (see `accumulation`).

    before_backward: called with the objective of the first part.
    """
    optim.set_learning_rate(learner.optimizer, learner.lr * rate)
    shares, found, logits, of_teacher = accumulation.shares(batches_of_step), [], [], []
    for place, (batch, share) in enumerate(zip(batches_of_step, shares, strict=True)):
        teacher = teacher_outputs(parts, batch)
        with _randomness(parts, place), learner.gradients(complete=place == len(batches_of_step) - 1):
            objective, outputs = learner(batch, teacher, weights, temperatures)
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
    return reporting.Taken(objective, torch.cat(logits), torch.cat(of_teacher) if of_teacher else None)


@contextlib.contextmanager
def _randomness(parts: Parts, place: int = 0) -> Iterator[None]:
    """Dropout and other random layers depend on (seed, step, part of the batch) alone: the same for student and twin, and in a
    resumed run."""
    devices = [parts.device] if parts.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(parts.seed * 1_000_003 + parts.step + PARTS_APART * place)
        yield


def _started(parts: Parts) -> Generator[Event, None, RunStarted]:
    teacher = parts.teacher_figures or {}
    if parts.teacher and "teacher" in parts.models and parts.validation and "top1" not in teacher:
        figures = yield from _interruptible(
            parts,
            evaluation.evaluate_in_steps(
                {"it": parts.teacher.model},
                parts.validation,
                precision=parts.recipe.precision,
                calibrate=True,
                process=parts.process,
            ),
        )
        teacher = teacher | figures["it"]
    if "calibrating" in teacher:
        parts.calibration["teacher"] = teacher["calibrating"]
    return reporting.started(parts, teacher)


def _epoch_ended(parts: Parts, robustness: RobustnessMonitor) -> Iterator[Event]:
    """Measure, and adapt weights, at the end of an epoch. Called again where a run resumes at the end of one."""
    for name, method in parts.student.distiller.methods.items():
        if (shares := method.layer_weights()) is not None:  # type: ignore[operator]
            yield LayersWeighted(parts.step, parts.epoch, name, tuple(shares.tolist()))
        for text in method.epoch_ended(parts.step // parts.steps_per_epoch):  # type: ignore[operator]
            yield Noted(f"{name}: {text}")
    yield from _terms_measured(parts)
    yield from _weights_adapted(parts)
    if parts.validation:
        learning = {name: model for name, model in parts.models.items() if name != "teacher"}
        last = parts.step == parts.steps
        metrics = yield from _interruptible(
            parts,
            evaluation.evaluate_in_steps(
                learning, parts.validation, precision=parts.recipe.precision, calibrate=last, process=parts.process
            ),
        )
        if last:  # for the test results: no further pass over these images
            parts.calibration |= {name: own.pop("calibrating") for name, own in metrics.items()}
        yield Evaluated(parts.step, parts.epoch, "validation", metrics)
        if last and parts.student.averaged:
            yield Noted((yield from _interruptible(parts, averaging.compared(parts, metrics))))
    if perturbed := (yield from _interruptible(parts, robustness.measured())):
        yield perturbed


def _terms_measured(parts: Parts) -> Iterator[Event]:
    for name, method in parts.student.distiller.methods.items():
        figures = distributed.mean_numbers(method.figures(), parts.student.distiller.share)  # type: ignore[operator]
        if figures:
            yield TermMeasured(parts.step, parts.epoch, name, figures)


def _weights_adapted(parts: Parts) -> Iterator[Event]:
    """Adapt weights to losses on the validation images. Their temperature is that of the first step, to compare epochs."""
    adaptive, epoch, own = parts.terms.adaptive, parts.step // parts.steps_per_epoch, parts.student.distiller
    if not (names := adaptive.watched(epoch)):
        return
    assert parts.validation is not None, "the recipe checks it"
    watched = Distiller(own.student, {name: own.method(name) for name in names}, precision=own.precision)
    temperatures = parts.terms.temperatures(0.0, {})
    losses = yield from _interruptible(
        parts, evaluation.losses_in_steps(watched, parts.teacher, parts.validation, temperatures, parts.process)
    )
    for name, loss in losses.items():
        yield TermMeasured(parts.step, parts.epoch, name, {"validation loss": loss})
    for change in adaptive.observe(losses, epoch):
        yield WeightAdapted(parts.step, parts.epoch, change.term, change.factor, change.reason)


def _interruptible(parts: Parts, measuring: Generator[None, None, Result]) -> Generator[Event, None, Result]:
    """Measure with a StepTaken between batches, so that a stop does not wait for the whole split."""
    while True:
        try:
            next(measuring)
        except StopIteration as ended:
            result: Result = ended.value
            return result
        yield StepTaken(parts.step)
