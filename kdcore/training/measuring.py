"""What the loop measures: the teacher at the start, all that is due at the end of an epoch, and the test images at the end."""

from collections.abc import Generator, Iterator
from typing import TypeVar

from kdcore.events import (
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
from kdcore.runtime import distributed
from kdcore.training import averaging, evaluation, reporting
from kdcore.training.distiller import Distiller
from kdcore.training.robustness import RobustnessMonitor
from kdcore.training.state import Parts

Result = TypeVar("Result")


def started(parts: Parts) -> Generator[Event, None, RunStarted]:
    """The run's start, with the teacher's metrics on the validation images."""
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


def epoch_ended(parts: Parts, robustness: RobustnessMonitor) -> Iterator[Event]:
    """Measure, and adapt weights, at the end of an epoch. Called again where a run resumes at the end of one."""
    for name, method in parts.student.distiller.terms.items():
        if (shares := method.layer_weights()) is not None:
            yield LayersWeighted(parts.step, parts.epoch, name, tuple(shares.tolist()))
        for text in method.epoch_ended(parts.step // parts.steps_per_epoch):
            yield Noted(f"{name}: {text}")
    yield from terms_measured(parts)
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


def tested(parts: Parts, seconds: float) -> Generator[Event, None, RunFinished]:
    """The run's end, with the metrics of all networks on the test images. seconds: of training."""
    measuring = evaluation.compare_in_steps(
        parts.models,
        parts.test,
        precision=parts.recipe.precision,
        temperatures=parts.calibration,
        process=parts.process,
    )
    found = yield from _interruptible(parts, measuring)
    return RunFinished(parts.step, found.results, seconds, arrays=found.predictions)


def terms_measured(parts: Parts) -> Iterator[Event]:
    """What the methods report of themselves."""
    for name, method in parts.student.distiller.terms.items():
        figures = distributed.mean_numbers(method.figures(), parts.student.distiller.share)
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
