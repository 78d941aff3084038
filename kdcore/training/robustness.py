"""Accuracy on perturbed validation images after every epoch, so that one sees a bias being inherited."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from itertools import permutations

import torch

from kdcore.checks import perturbed_sets
from kdcore.data.split import Split
from kdcore.events import RobustnessMeasured
from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.measures import shape_bias
from kdcore.robustness.assessment import Images, images_of, in_steps
from kdcore.robustness.pace import Pace
from kdcore.training.state import Parts

BATCH = 100  # images between which a stop takes effect


class RobustnessMonitor:
    """Measures the networks of a run on its perturbed sets. The teacher, which does not change, is measured once.

    No random state is used, and the networks are left in their modes, so a run's losses are the same with and without it.
    """

    def __init__(self, parts: Parts) -> None:
        """
        Raises:
            UserError: a set cannot be made from the run's validation images.
        """
        self._parts = parts
        self._images: list[Images] = []
        self._of_teacher: dict[str, Outcome] = {}
        if parts.recipe.robustness.sets:
            assert parts.validation is not None, "the recipe checks it"
            split = first_of_each_class(parts.validation.with_every_label(), parts.recipe.robustness.images)
            self._images = [images_of(condition, split) for condition in perturbed_sets.parsed(parts.recipe)]

    def measured(self) -> Generator[None, None, RobustnessMeasured | None]:
        """The networks on all sets; None without sets. Yields between batches."""
        found: dict[str, Mapping[str, Outcome]] = {}
        for images in self._images:
            found[str(images.condition)] = yield from self._on(images)
        if not found:
            return None
        return RobustnessMeasured(
            self._parts.step,
            self._parts.epoch,
            images=len(self._images[0]),
            accuracy={
                name: {who: float(own.right.mean()) for who, own in seen.items()} for name, seen in found.items()
            },
            only={name: _only(seen) for name, seen in found.items()},
            shape_bias={name: biases for name, seen in found.items() if (biases := _shape_biases(seen))},
        )

    def _on(self, images: Images) -> Generator[None, None, dict[str, Outcome]]:
        name = str(images.condition)
        networks = {
            who: net for who, net in self._parts.models.items() if who != "teacher" or name not in self._of_teacher
        }
        found = yield from in_steps(networks, images, Pace({name: len(images)}, list(networks)), BATCH)
        if "teacher" in found:
            self._of_teacher[name] = found["teacher"]
        known = {"teacher": self._of_teacher[name]} if name in self._of_teacher else {}
        return {**known, **{who: own for who, own in found.items() if who != "teacher"}}


def first_of_each_class(split: Split, count: int) -> Split:
    """The first images of a split, as many of each class as possible, in the order of the split."""
    ranks = torch.zeros_like(split.targets)
    for label in range(len(split.classes)):
        members = split.targets == label
        ranks[members] = torch.arange(int(members.sum()), device=split.targets.device)
    places = (ranks * len(split.classes) + split.targets).argsort(stable=True)[:count].sort().values
    extras = {name: values[places] for name, values in split.extras.items()}
    return replace(split.at(places), extras=extras)


def _only(seen: Mapping[str, Outcome]) -> dict[str, float]:
    return {f"{one}/{other}": int((seen[one].right & ~seen[other].right).sum()) for one, other in permutations(seen, 2)}


def _shape_biases(seen: Mapping[str, Outcome]) -> dict[str, float]:
    values = {name: shape_bias.value(Observation(outcome)) for name, outcome in seen.items()}
    return {name: value.mean for name, value in values.items() if value.defined}
