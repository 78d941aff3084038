"""Evaluates networks by reference under conditions: stored outcomes are read, missing ones computed once for all windows."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from kdcore import explain, models
from kdcore.errors import UserError
from kdcore.models import Tapped
from kdcore.robustness import assessment, kept, samples
from kdcore.robustness.assessment import BATCH, Images, Outcomes, Progress, copied
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.kept import Reserved
from kdcore.robustness.networks import Described, described
from kdcore.robustness.pace import Pace
from kdcore.robustness.samples import Sample
from kdcore.store import Store

PAUSE = 0.1  # seconds between two tries
WAITING = "Another window or process is evaluating the same networks; its results are used as soon as they are there."


@dataclass
class Evaluation:
    """Networks that are evaluated on one sample. Networks and images are loaded when something has to be computed.

    count: how many images are wanted. outcomes: what is known so far. unkept: why the last ones could not be written to disk.
    """

    networks: dict[str, Described]
    store: Store
    count: int
    device: torch.device
    get: Callable[[str], Tapped]
    outcomes: Outcomes = field(default_factory=dict)
    unkept: str = ""
    _sample: Sample | None = None

    def __post_init__(self) -> None:
        self.data = samples.common_data(list(self.networks.values()))
        self.kept = kept.of(self.networks, self.data)
        self.outcomes = {reference: {} for reference in self.networks}

    @property
    def classes(self) -> tuple[str, ...]:
        return next(iter(self.networks.values())).classes

    @property
    def sample(self) -> Sample:
        if self._sample is None:
            self._sample = samples.load(self.data, self.count, device=self.device)
        return self._sample

    def read(self, condition: Condition) -> list[str]:
        """Read what is kept of a condition; returns the networks that lack it."""
        for reference, on_disk in self.kept.items():
            if condition not in self.outcomes[reference] and (found := on_disk.read(condition, self.count)):
                self.outcomes[reference][condition] = found
        return [reference for reference in self.networks if condition not in self.outcomes[reference]]

    def compute(self, images: Images, lacking: Sequence[str], pace: Pace, batch: int) -> Iterator[None]:
        """Compute a condition for some networks and keep it, in memory where the disk is full. Yields between batches."""
        networks = {reference: self.get(reference) for reference in lacking}
        assessment.check(networks, self.sample.split)
        found = yield from assessment.in_steps(networks, images, pace, batch)
        for reference, outcome in found.items():
            self.outcomes[reference][images.condition] = outcome
            try:
                self.kept[reference].write(images.condition, outcome, self.count)
            except UserError as error:
                self.unkept = str(error)

    def reserved(self, references: Sequence[str]) -> Reserved | None:
        """As `kept.reserved`, but where the disk is full or read-only nothing is locked. Raises UserError: a run was deleted."""
        folders = [self.networks[reference].folder for reference in references]
        for folder in folders:
            kept.check(folder)
        try:
            return kept.reserved(folders)
        except UserError as error:
            self.unkept = str(error)
            return Reserved()


def evaluation(
    references: Sequence[str],
    store: Store,
    *,
    images: int | None = None,
    device: torch.device | str = "cpu",
    get: Callable[[str], Tapped] | None = None,
) -> Evaluation:
    """Prepare to evaluate networks together; nothing is loaded yet.

    Args:
        references: bundled models, `run:ID/student` or files.
        images: how many; by default all test images, up to 10,000 and 2,000,000 numbers.
        get: gives a frozen network on the device; by default it is loaded, its BatchNorm fused.

    Raises:
        UserError: no such network, or networks of different data.
    """
    networks = {reference: described(reference, store) for reference in dict.fromkeys(references)}
    place = torch.device(device)
    loaded: dict[str, Tapped] = {}

    def load(reference: str) -> Tapped:
        if reference not in loaded:
            loaded[reference] = explain.ready(models.load(reference, runs=store).to(place))
        return loaded[reference]

    data = samples.common_data(list(networks.values()))
    return Evaluation(networks, store, samples.count_of(data, images), place, get or load)


def evaluate(evaluation: Evaluation, conditions: Sequence[Condition], *, batch: int = BATCH) -> Iterator[Progress]:
    """Yields after every batch of what has to be computed, and once at the end. Close it, or take no further step, to cancel.

    Raises:
        UserError: a run was deleted; the images, or a file that a set needs, are not on this machine; a set that these images do not allow.
    """
    wanted = list(dict.fromkeys(conditions)) or [CLEAN]
    missing = [condition for condition in wanted if evaluation.read(condition)]
    pace = Pace({str(condition): evaluation.count for condition in missing}, list(evaluation.networks))

    def progress(condition: Condition, message: str = "") -> Progress:
        outcomes = copied(evaluation.outcomes)
        return Progress(pace.done, pace.total, pace.seconds_left(), condition, outcomes, message, evaluation.unkept)

    for condition in missing:
        lacking = evaluation.read(condition)
        while (held := evaluation.reserved(lacking)) is None:
            yield progress(condition, WAITING)
            time.sleep(PAUSE)
        with held:
            if not (lacking := evaluation.read(condition)):  # another process was faster
                pace.known(str(condition))
                continue
            images = assessment.images_of(condition, evaluation.sample.split, evaluation.data)
            pace.resized(str(condition), len(images))
            for _ in evaluation.compute(images, lacking, pace, batch):
                held.alive()
                yield progress(condition)
        yield progress(condition)
    yield progress(wanted[-1])
