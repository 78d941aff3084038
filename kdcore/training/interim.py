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
    the next is expected to take as long as the last."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._spent = self._last = 0.0
        self._first = True

    def allows(self, busy: float) -> bool:
        """Whether there is time for one more, `busy` seconds into the run."""
        return self._share > 0 and self._spent + self._last <= self._share * (busy + HEAD_START)

    def took(self, seconds: float) -> None:
        if not self._first:
            self._spent += seconds
            self._last = seconds
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
        return (early or step % self._every == 0) and self._budget.allows(busy)

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
        self._budget.took(seconds)
        yield ProbeTaken(parts.step, parts.epoch, seconds, arrays=arrays)


class Sampler:
    """Accuracy and loss of student and twin on the same few validation images: after each of the first steps, then less often."""

    def __init__(self, parts: Parts, budget: Budget) -> None:
        self._parts, self._budget = parts, budget
        self._every = max(1, parts.steps // SAMPLES)
        self._began = self._next = parts.step

    def due(self, busy: float) -> bool:
        return self._parts.step >= self._next and self._budget.allows(busy)

    def take(self) -> Iterator[SampleMeasured]:
        parts, began = self._parts, time.perf_counter()
        learning = {name: model for name, model in parts.models.items() if name != "teacher"}
        if parts.sample is None or not learning:
            return
        figures = {name: self._figures(model, parts.sample) for name, model in learning.items()}
        seconds = time.perf_counter() - began
        self._budget.took(seconds)
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
