"""Interim measurements: heatmaps of the pinned images and accuracy on a sample, dense at first and within a budget of time."""

import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from kdcore.data.split import Split
from kdcore.events import ProbeTaken, SampleMeasured
from kdcore.explain import probe
from kdcore.models import Tapped, in_eval
from kdcore.runtime import mixed_precision
from kdcore.training.state import Parts

SAMPLES = 200  # about so many measurements of the sample in a run
HEAD_START = 25.0  # seconds: the budget is that of a run which is so much older, so that something moves at once


class Budget:
    """A share of the run's time. What was spent is counted but for the first measurement, which loads kernels and is not repeated;
    the next is expected to take as long as the quickest so far, since a slower one was delayed by other work.

    The middle of a run is measured in any case: a slow measurement in a short run would otherwise be the only one until the end.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._spent = 0.0
        self._quickest: float | None = None
        self._first = True
        self._measured = 0.0  # progress at the latest measurement

    def allows(self, busy: float, progress: float) -> bool:
        """Whether there is time for one more, `busy` seconds into the run, at `progress` in [0, 1] of its steps."""
        if self._share <= 0:
            return False
        if self._measured < 0.25 and progress >= 0.5:
            return True
        return self._spent + (self._quickest or 0.0) <= self._share * (busy + HEAD_START)

    def took(self, seconds: float, progress: float) -> None:
        """Count a measurement of `seconds` at `progress` in [0, 1]."""
        self._measured = progress
        if not self._first:
            self._spent += seconds
            self._quickest = seconds if self._quickest is None else min(seconds, self._quickest)
        self._first = False


class Interim:
    """Measures between two steps. Training goes on unchanged: modes, BatchNorm's statistics and the random state are put back."""

    def __init__(self, parts: Parts) -> None:
        half = parts.recipe.probes.budget / 2
        self._prober, self._sampler = Prober(parts, Budget(half)), Sampler(parts, Budget(half))

    def begin(self) -> Iterator[ProbeTaken | SampleMeasured]:
        """Measure before the first step of a run, of a fork, or of what a resumed run adds."""
        yield from self._sampler.take()
        yield from self._prober.take(with_images=True)

    def after_step(self, busy: float) -> Iterator[ProbeTaken | SampleMeasured]:
        """Measure what is due, `busy` seconds into the run; the maps in any case after the last step."""
        if self._sampler.due(busy):
            yield from self._sampler.take()
        if self._prober.due(busy):
            yield from self._prober.take()


class Prober:
    """Heatmaps of the pinned images: after 1, 2, 4, 8, ... steps, then a few times an epoch."""

    def __init__(self, parts: Parts, budget: Budget) -> None:
        self._parts, self._budget = parts, budget
        self._every = max(1, round(parts.steps_per_epoch / parts.recipe.probes.per_epoch))

    def due(self, busy: float) -> bool:
        step = self._parts.step
        if step == self._parts.steps:
            return True
        early = step < self._every and step & (step - 1) == 0  # a power of 2
        return (early or step % self._every == 0) and self._budget.allows(busy, self._parts.progress)

    def take(self, *, with_images: bool = False) -> Iterator[ProbeTaken]:
        """Measure. with_images: also give the images and their targets, once in a run's stretch."""
        parts, began = self._parts, time.perf_counter()
        if not parts.recipe.probes.images:
            return
        arrays = probe.take(parts.models, parts.pinned.images)
        if with_images:
            arrays["images"] = (parts.pinned.images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
            arrays["targets"] = parts.pinned.targets.cpu().numpy()
        seconds = time.perf_counter() - began
        self._budget.took(seconds, parts.progress)
        yield ProbeTaken(parts.step, parts.epoch, seconds, arrays=arrays)


class Sampler:
    """Accuracy and loss of student and twin on the same few validation images: after each of the first steps, then less often."""

    def __init__(self, parts: Parts, budget: Budget) -> None:
        self._parts, self._budget = parts, budget
        self._every = max(1, parts.steps // SAMPLES)
        self._began = self._next = parts.step

    def due(self, busy: float) -> bool:
        return self._parts.step >= self._next and self._budget.allows(busy, self._parts.progress)

    def take(self) -> Iterator[SampleMeasured]:
        parts, began = self._parts, time.perf_counter()
        learning = {name: model for name, model in parts.models.items() if name != "teacher"}
        if parts.sample is None or not learning:
            return
        figures = {name: self._figures(model, parts.sample) for name, model in learning.items()}
        seconds = time.perf_counter() - began
        self._budget.took(seconds, parts.progress)
        self._next = parts.step + min(self._every, max(1, (parts.step - self._began) // 4))
        yield SampleMeasured(parts.step, parts.epoch, len(parts.sample), figures, seconds)

    def _figures(self, model: Tapped, sample: Split) -> dict[str, float]:
        with (
            in_eval(model),
            torch.no_grad(),
            mixed_precision.autocast(self._parts.device, self._parts.recipe.precision),
        ):
            logits = model(sample.images.float() / 255, frozenset({"logits"})).logits
        logits = logits.float()
        return {
            "top1": (logits.argmax(dim=1) == sample.targets).float().mean().item(),
            "nll": F.cross_entropy(logits, sample.targets).item(),
        }
