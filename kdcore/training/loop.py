"""The training loop: a generator of events, from the first step to the test results. No files, threads or pages.

`train` is a generator: a test is `list(train(parts))`, and stopping is not asking for the next event. Between two steps it
yields a StepTaken, at which `parts.state()` is complete and a knob may be changed.
"""

import itertools
from collections.abc import Iterator

from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches, training_batches
from kdcore.events import CheckpointReady, Event, Noted, StepTaken
from kdcore.runtime import distributed
from kdcore.tensors.outputs import Batch
from kdcore.training import accumulation, measuring, replicas, reporting, step
from kdcore.training.compilation import CompilationTrial
from kdcore.training.gradient_monitor import GradientMonitor
from kdcore.training.interim import Interim
from kdcore.training.robustness import RobustnessMonitor
from kdcore.training.state import Parts
from kdcore.training.step import Settings

LOGGED_STEPS = 500  # at least so many steps of a run are logged ...
LOGGED_SECONDS = 1.0  # ... and at least one a second


def train(parts: Parts) -> Iterator[Event]:
    """Train from `parts.step` to the last step, then measure on the test split.

    Raises:
        NotFinite: a loss is infinite or not a number.
    """
    recipe, cache, steps = parts.recipe, parts.teacher_cache, parts.steps
    log_every = max(1, steps // LOGGED_STEPS)
    checkpoint_every = max(1, round(recipe.checkpoint_every * parts.steps_per_epoch))
    clock, interim = reporting.Clock(), Interim(parts)
    gradients, compilation = GradientMonitor(parts, clock), CompilationTrial(parts)
    robustness = RobustnessMonitor(parts)

    yield from _begin(parts, interim, robustness)
    if cache:
        yield from cache.open()
    clock.resume()

    for batch in _remaining_batches(parts):
        settings = Settings.now(parts)
        compilation.before_step(measured=gradients.due())
        taken = step.take(parts, batch, settings, gradients.measure)
        parts.step += 1
        clock.count(len((batch.whole or batch).targets))
        compilation.after_step()

        last, epoch_ended = parts.step == steps, parts.step % parts.steps_per_epoch == 0
        logged = parts.step % log_every == 0 or last or clock.since_logged() > LOGGED_SECONDS
        if logged and parts.process.first:
            yield reporting.step_ended(parts, taken, batch.whole or batch, settings, clock.images_per_second())
        yield from gradients.events()
        if cache:
            yield from cache.notes()
        if epoch_ended:
            yield from measuring.epoch_ended(parts, robustness)
        if parts.process.first:
            yield from interim.after_step(clock.busy)
        if (parts.step % checkpoint_every == 0 or last) and parts.process.first:
            yield CheckpointReady(parts.step, parts.epoch, parts.state())
        yield from compilation.notes()
        yield StepTaken(parts.step)
        clock.resume()

    yield (yield from measuring.tested(parts, clock.busy))


def _begin(parts: Parts, interim: Interim, robustness: RobustnessMonitor) -> Iterator[Event]:
    """Report the start; of a new run also what is measured before the first step."""
    yield (yield from measuring.started(parts))
    if not parts.resumed:
        yield from (Noted(text, "warning") for text in accumulation.warnings(parts.recipe))
        yield from (Noted(text, "warning") for text in replicas.warnings(parts))
        yield from _prepare_methods(parts)
        yield from measuring.terms_measured(parts)
    elif parts.step and parts.step % parts.steps_per_epoch == 0:
        yield from measuring.epoch_ended(parts, robustness)  # it may have been stopped just before
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
    for name, method in parts.student.distiller.terms.items():
        for text in method.prepare(parts.teacher, _endless_batches(parts)):  # type: ignore[arg-type]
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
