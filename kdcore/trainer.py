"""The loop. Parts in, events out; it knows no disk, no thread and no screen.

`train` is a generator: a test is `list(train(parts))`, stopping is not asking for the next event. Between two steps it
yields a StepTaken, at which `parts.state()` is whole and a knob may be turned.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from kdcore import evaluation, optim
from kdcore.data import Split, batches
from kdcore.events import (
    CheckpointReady,
    Evaluated,
    Event,
    LayersWeighted,
    Noted,
    ProbeTaken,
    RunFinished,
    RunStarted,
    StepEnded,
    StepTaken,
)
from kdcore.explain import probe
from kdcore.models import Tapped
from kdcore.outputs import NO_LABEL, Batch, Objective, Outputs
from kdcore.parts import Learner, Parts
from kdcore.weighting import TermWeights

LOGGED_STEPS = 500  # so many steps of a run are logged at least ...
LOGGED_SECONDS = 1.0  # ... and one a second
Figures = dict[str, dict[str, float]]


def train(parts: Parts) -> Iterator[Event]:
    """Train from `parts.step` to the end; then measure on the test split.

    Raises:
        FloatingPointError: a loss is not finite any more, with what to try.
    """
    recipe, steps, per_epoch = parts.recipe, parts.steps, parts.steps_per_epoch
    terms, rate = TermWeights(recipe), recipe.lr.schedule(recipe.epochs)
    log_every = max(1, steps // LOGGED_STEPS)
    checkpoint_every = max(1, round(recipe.checkpoint_every * per_epoch))
    clock, prober = _Clock(), _Prober(parts)

    yield (yield from _started(parts))
    if not parts.resumed:
        yield from _prepared(parts)
        yield from prober.take(always=True)
    elif parts.step and parts.step % per_epoch == 0:
        yield from _epoch_ended(parts)  # it may have been stopped just before
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
        )
        for batch in epoch_batches:
            progress = parts.step / steps
            weights, temperatures = terms.weights(progress, parts.knobs), terms.temperatures(progress)
            factor = rate(progress) * parts.knobs.get("learning_rate", 1.0)

            batch = parts.student.distiller.with_views(batch, progress)
            said = _teacher_says(parts, batch)
            objective, outputs = _step(parts, parts.student, batch, said, weights, temperatures, factor)
            objectives, answers = {"student": objective}, {"student": outputs.logits}
            if parts.twin:
                alone, twin_outputs = _step(parts, parts.twin, batch, None, {"ce": 1.0}, {"ce": 1.0}, factor)
                objectives["twin"], answers["twin"] = alone, twin_outputs.logits
            parts.step += 1
            clock.count(len(batch.targets))

            if parts.step % log_every == 0 or parts.step == steps or clock.since_logged() > LOGGED_SECONDS:
                speed = clock.images_per_second()
                yield _ended(parts, objectives, answers, batch, temperatures, factor * recipe.optimizer.lr, speed)
            if parts.step % per_epoch == 0:
                yield from _epoch_ended(parts)
            yield from prober.take(always=parts.step == steps, budget=recipe.probes.budget * clock.busy)
            if parts.step % checkpoint_every == 0 or parts.step == steps:
                yield CheckpointReady(parts.step, parts.epoch, parts.state())
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
    return parts.teacher(batch.seen, parts.student.distiller.needs)


def _step(
    parts: Parts,
    learner: Learner,
    batch: Batch,
    teacher: Outputs | None,
    weights: dict[str, float],
    temperatures: dict[str, float],
    factor: float,
) -> tuple[Objective, Outputs]:
    optim.set_learning_rate(learner.optimizer, learner.lr * factor)
    with _randomness(parts):
        objective, outputs = learner.distiller(batch, teacher, weights, temperatures)
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
    student, recipe = parts.student.distiller, parts.recipe
    parameters = {
        "student": _count(student.student),
        "training_only": _count(student.methods),
    } | ({"teacher": _count(parts.teacher.model)} if parts.teacher else {})
    teacher = {}
    if parts.teacher and parts.validation:
        teacher = (yield from _measured(parts, {"teacher": parts.teacher.model}, parts.validation))["teacher"]
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
    )


def _ended(
    parts: Parts,
    objectives: dict[str, Objective],
    answers: dict[str, Tensor],
    batch: Batch,
    temperatures: dict[str, float],
    learning_rate: float,
    images_per_second: float,
) -> StepEnded:
    losses: dict[str, dict[str, float]] = {}
    for name, objective in objectives.items():
        values = torch.stack([*objective.losses.values(), objective.total]).detach().tolist()  # one wait for the device
        losses[name] = dict(zip([*objective.losses, "total"], values, strict=True))
        if not math.isfinite(losses[name]["total"]):
            told = ", ".join(f"{term} = {value:g}" for term, value in losses[name].items())
            raise FloatingPointError(
                f"The {name}'s loss is not finite at step {parts.step} ({told}). A lower learning rate, a gradient "
                "clip (optimizer.clip: 1.0) or precision: fp32 usually mends it; the last checkpoint is from before."
            )
    weights = objectives["student"].weights
    weighted = {name: abs(weights[name] * value) for name, value in losses["student"].items() if name != "total"}
    whole = sum(weighted.values()) or 1.0
    labelled = batch.targets != NO_LABEL
    right = {
        name: ((logits.argmax(dim=1) == batch.targets) & labelled).sum().item() / count
        for name, logits in answers.items()
        if (count := int(labelled.sum()))
    }
    return StepEnded(
        step=parts.step,
        epoch=parts.epoch,
        losses=losses,
        shares={name: value / whole for name, value in weighted.items()},
        weights=weights,
        temperatures={
            name: temperatures[name]
            for name, method in parts.student.distiller.methods.items()
            if method.uses_temperature
        },
        learning_rate=learning_rate,
        images_per_second=images_per_second,
        train_top1=right,
    )


def _epoch_ended(parts: Parts) -> Iterator[Event]:
    for name, method in parts.student.distiller.methods.items():
        if (shares := method.layer_weights()) is not None:  # type: ignore[operator]
            yield LayersWeighted(parts.step, parts.epoch, name, tuple(shares.tolist()))
    if parts.validation:
        learning = {name: model for name, model in parts.models.items() if name != "teacher"}
        metrics = yield from _measured(parts, learning, parts.validation)
        yield Evaluated(parts.step, parts.epoch, "validation", metrics)


def _measured(parts: Parts, models: dict[str, Tapped], split: Split) -> Generator[Event, None, Figures]:
    return _breathing(parts, evaluation.evaluate_in_steps(models, split, precision=parts.recipe.precision))


def _breathing(parts: Parts, measuring: Generator[None, None, Figures]) -> Generator[Event, None, Figures]:
    """Measure with a StepTaken between batches, so that a stop need not wait for a whole split."""
    while True:
        try:
            next(measuring)
        except StopIteration as ended:
            figures: Figures = ended.value
            return figures
        yield StepTaken(parts.step)


class _Prober:
    """Maps of the pinned images, a few times an epoch while the time budget lasts."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.every = max(1, round(parts.steps_per_epoch / parts.recipe.probes.per_epoch))
        self.spent = self.longest = 0.0

    def take(self, *, always: bool, budget: float = 0.0) -> Iterator[Event]:
        due = self.parts.step % self.every == 0 and self.spent + self.longest <= budget
        if not self.parts.recipe.probes.images or not (always or due):
            return
        began = time.perf_counter()
        arrays = probe.take(self.parts.models, self.parts.pinned.images)
        if self.parts.step == 0:
            arrays["images"] = (self.parts.pinned.images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
            arrays["targets"] = self.parts.pinned.targets.cpu().numpy()
        seconds = time.perf_counter() - began
        self.spent += seconds
        self.longest = max(self.longest, seconds)
        yield ProbeTaken(self.parts.step, self.parts.epoch, seconds, arrays=arrays)


class _Clock:
    """The loop's own time: what a listener does between two steps is left out of the speed."""

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
    """As a person would say it: the GPU's name, or the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else device.type
