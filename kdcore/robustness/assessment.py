"""Networks under conditions: each batch of images is made once and given to every network, in exact arithmetic."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kdcore.data.perturbations import Perturbation, Perturbed, making
from kdcore.data.perturbations.base import OwnSet
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.models import Tapped, in_eval
from kdcore.recipe import DataRecipe
from kdcore.results.bias import Outcome
from kdcore.robustness import conditions as sets
from kdcore.robustness.conditions import Condition
from kdcore.robustness.pace import Pace
from kdcore.runtime import mixed_precision

BATCH = 250
LOWEST = -60_000.0  # of a log-probability: float16 ends at -65,504
LOGITS = frozenset({"logits"})
Outcomes = dict[str, dict[Condition, Outcome]]  # network -> condition -> outcome


@dataclass(frozen=True)
class Progress:
    """How far an assessment is.

    done, total: images, summed over conditions. seconds_left: None until it is known.
    condition: the one in progress. outcomes: of each network under the conditions that are complete.
    message: what it waits for; mostly empty. unkept: why outcomes could not be written to disk; mostly empty.
    """

    done: int
    total: int
    seconds_left: float | None
    condition: Condition
    outcomes: Outcomes = field(default_factory=dict, repr=False)
    message: str = ""
    unkept: str = ""


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a condition.

    perturbation: None for the clean images. own: the images of a set that has its own.
    """

    condition: Condition
    split: Split
    perturbation: Perturbation | None = None
    own: OwnSet | None = None

    def __len__(self) -> int:
        return len(self.split)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.split.classes

    def batches(self, size: int) -> Iterator[tuple[Tensor, Perturbed]]:
        """Places [m] and images of each batch, as `making.batches`."""
        if self.perturbation is not None:
            yield from making.batches(self.split, self.perturbation, self.condition.strength, size)
            return
        for start in range(0, len(self.split), size):
            places = torch.arange(start, min(start + size, len(self.split)))
            yield places, Perturbed(making.clean(self.split, places).images)

    def at(self, places: Tensor) -> Perturbed:
        """The images at some places [m]. The first call prepares the set."""
        if self.own is not None:
            textures = None if self.own.textures is None else self.own.textures[places.to(self.own.textures.device)]
            return Perturbed(making.clean(self.split, places).images, textures)
        if self.perturbation is None:
            return Perturbed(making.clean(self.split, places).images)
        self.perturbation.prepare(self.split)
        return making.made(self.split, self.perturbation, self.condition.strength, places)


def images_of(condition: Condition, split: Split, data: DataRecipe | None = None) -> Images:
    """The images of a condition.

    Args:
        data: the recipe's data that the split is of, for sets that have images of their own.

    Raises:
        UserError: there is no such set, or it cannot be made from the split.
    """
    if condition.is_clean:
        return Images(condition, split)
    perturbation = sets.known(condition.set_name)
    if reason := perturbation.why_not(split):
        raise UserError(f"{perturbation.title} ({condition}) cannot be made from these images: {reason}.")
    if not perturbation.own_images:
        return Images(condition, split, perturbation)
    own = None if data is None else perturbation.own(data, split)
    if own is None:
        raise UserError(f"{perturbation.title} ({condition}) has images of its own, which need a recipe's data.")
    return Images(condition, own.split, perturbation, own)


def assess(
    networks: Mapping[str, Tapped],
    split: Split,
    conditions: Sequence[Condition],
    *,
    data: DataRecipe | None = None,
    batch: int = BATCH,
) -> Iterator[Progress]:
    """Networks under each condition; yields after every batch. Close it, or take no further step, to cancel.

    Args:
        networks: in eval mode afterwards as before, on the device of the split's targets. Perturbed images are resized for
            those that take another size.
        data: the recipe's data that the split is of, for sets that have images of their own.

    Raises:
        UserError: a network has other classes than the split, or a set cannot be made from it.
    """
    check(networks, split)
    every = [images_of(condition, split, data) for condition in conditions]
    pace = Pace({str(each.condition): len(each) for each in every}, list(networks))
    outcomes: Outcomes = {name: {} for name in networks}
    for images in every:
        steps = in_steps(networks, images, pace, batch)
        while True:
            try:
                next(steps)
            except StopIteration as ended:
                for name, outcome in ended.value.items():
                    outcomes[name][images.condition] = outcome
                break
            yield Progress(pace.done, pace.total, pace.seconds_left(), images.condition, copied(outcomes))
        yield Progress(pace.done, pace.total, pace.seconds_left(), images.condition, copied(outcomes))


def in_steps(
    networks: Mapping[str, Tapped], images: Images, pace: Pace, batch: int = BATCH
) -> Generator[None, None, dict[str, Outcome]]:
    """The outcome of each network on a condition's images. Yields after each batch but the last."""
    name, split = str(images.condition), images.split
    found: dict[str, list[np.ndarray]] = {network: [] for network in networks}
    textures: list[np.ndarray] = []
    began = pace.clock()
    for places, perturbed in images.batches(batch):
        pace.made(name, pace.clock() - began)
        for network, model in networks.items():
            began = pace.clock()
            found[network].append(packed(_log_probabilities(model, perturbed.images, images.own)))
            pace.passed(network, pace.clock() - began)
        if perturbed.textures is not None:
            textures.append(perturbed.textures.cpu().numpy())
        pace.finished(name, len(places), networks)
        if int(places[-1]) + 1 < len(split):
            yield
        began = pace.clock()
    if images.own is not None and images.own.textures is not None:
        textures = [images.own.textures.cpu().numpy()]
    targets = split.targets.cpu().numpy()
    known = np.concatenate(textures) if textures else None
    return {network: Outcome(targets, np.concatenate(rows), known) for network, rows in found.items()}


def of_batch(networks: Mapping[str, Tapped], perturbed: Perturbed, targets: Tensor) -> dict[str, Outcome]:
    """The outcome of each network on one batch of images."""
    labels = targets.cpu().numpy()
    textures = None if perturbed.textures is None else perturbed.textures.cpu().numpy()
    return {
        name: Outcome(labels, packed(_log_probabilities(model, perturbed.images, None)), textures)
        for name, model in networks.items()
    }


def check(networks: Mapping[str, Tapped], split: Split) -> None:
    """Refuse networks that predict other classes than a split has. Raises UserError."""
    for name, model in networks.items():
        if tuple(model.classes) != tuple(split.classes):
            raise UserError(
                f"{name} has the classes {_some(model.classes)}, and the test images have {_some(split.classes)}: evaluate it on "
                "the data that it was trained on."
            )


def packed(log_probabilities: np.ndarray) -> np.ndarray:
    """Log-probabilities [n, K] as float16, with the same predicted class in each row, also where the closest two are alike.

    Rounding down all but the predicted class where they meet moves a number by at most a thousandth of itself.
    """
    narrow = log_probabilities.clip(min=LOWEST).astype(np.float16)
    predicted = log_probabilities.argmax(axis=1)
    (ties,) = np.nonzero(narrow.argmax(axis=1) != predicted)
    for row in ties:
        rivals = narrow[row] >= narrow[row, predicted[row]]
        rivals[predicted[row]] = False
        below = np.nextafter(narrow[row, predicted[row]], np.float16(-np.inf))
        narrow[row, rivals] = below
    return narrow


def copied(outcomes: Outcomes) -> Outcomes:
    """Another dictionary of the same outcomes, which does not grow with the first."""
    return {name: dict(each) for name, each in outcomes.items()}


def _log_probabilities(model: Tapped, images: Tensor, own: OwnSet | None) -> np.ndarray:
    with in_eval(model), torch.no_grad(), mixed_precision.autocast(images.device, "exact"):
        logits = model(model.at_own_size(images), LOGITS).logits.float()
    found = logits.log_softmax(dim=1)
    if own is not None:
        found = own.decisions(found)
    numbers: np.ndarray = found.cpu().numpy()
    return numbers


def _some(classes: Sequence[str]) -> str:
    return ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
