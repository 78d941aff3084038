"""Accuracy at any strength within a moment: on a small sample whose clean outcomes and prepared sets stay in memory."""

from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from kdcore.data.perturbations import Perturbation, Perturbed, making
from kdcore.errors import UserError
from kdcore.models import Tapped
from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.estimate import Estimate
from kdcore.results.bias.measures import accuracy, shape_bias
from kdcore.robustness import assessment
from kdcore.robustness.assessment import Images, images_of
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.samples import Sample

HELD = 256  # outcomes
PART = 25  # images that a network sees at a time, so that computing ahead can stop soon


@dataclass(frozen=True, eq=False)
class Reading:
    """Networks at one strength. `images` are the perturbed ones [n, 3, H, W] in [0, 1]."""

    outcomes: dict[str, Outcome]
    clean: dict[str, Outcome]
    accuracy: dict[str, Estimate]
    clean_accuracy: dict[str, Estimate]
    shape_bias: dict[str, Estimate]
    images: torch.Tensor


class Live:
    """Reads networks on one sample at any strength. Not for several threads at once."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self._places = torch.arange(len(sample))
        self._sets: dict[str, Images] = {}
        self._outcomes: OrderedDict[tuple[str, Condition], Outcome] = OrderedDict()
        self._pixels: tuple[Condition, Perturbed] | None = None

    def read(self, networks: Mapping[str, Tapped], keys: Mapping[str, str], condition: Condition) -> Reading:
        """Networks under a condition.

        Args:
            networks: frozen, on the sample's device. keys: network -> a hash of its weights.

        Raises:
            UserError: the set cannot be made from the sample, has images of its own, or the strength has no meaning.
        """
        clean = self._all(networks, keys, CLEAN)
        found = clean if condition.is_clean else self._all(networks, keys, condition)
        shown = self._perturbed(condition).images
        return Reading(
            outcomes=found,
            clean=clean,
            accuracy={name: accuracy.value(Observation(each)) for name, each in found.items()},
            clean_accuracy={name: accuracy.value(Observation(each)) for name, each in clean.items()},
            shape_bias={
                name: shape_bias.value(Observation(each)) for name, each in found.items() if each.textures is not None
            },
            images=shown,
        )

    def _all(self, networks: Mapping[str, Tapped], keys: Mapping[str, str], condition: Condition) -> dict[str, Outcome]:
        for _ in self.in_steps(networks, keys, condition):
            pass
        found = {}
        for name in networks:
            self._outcomes.move_to_end((keys[name], condition))
            found[name] = self._outcomes[keys[name], condition]
        while len(self._outcomes) > HELD:
            self._outcomes.popitem(last=False)
        return found

    def in_steps(
        self, networks: Mapping[str, Tapped], keys: Mapping[str, str], condition: Condition
    ) -> Generator[None, None, None]:
        """Compute what is not in memory of a condition; yields after every few images of a network. As `read` otherwise."""
        lacking = {name: model for name, model in networks.items() if (keys[name], condition) not in self._outcomes}
        if lacking:
            assessment.check(lacking, self.sample.split)
        for name, model in lacking.items():
            parts = []
            for places in self._places.split(PART):
                parts.append(self._part(name, model, condition, places))
                yield
            self._outcomes[keys[name], condition] = _together(parts)

    def _part(self, name: str, model: Tapped, condition: Condition, places: torch.Tensor) -> Outcome:
        perturbed = self._perturbed(condition)
        textures = None if perturbed.textures is None else perturbed.textures[places.to(perturbed.textures.device)]
        part = Perturbed(perturbed.images[places.to(perturbed.images.device)], textures)
        targets = self.sample.split.targets[places.to(self.sample.split.targets.device)]
        return assessment.of_batch({name: model}, part, targets)[name]

    def _perturbed(self, condition: Condition) -> Perturbed:
        if self._pixels is None or self._pixels[0] != condition:
            if condition.is_clean:
                made = Perturbed(making.clean(self.sample.split, self._places).images)
            else:
                made = making.made(self.sample.split, self._set(condition), condition.strength, self._places)
            self._pixels = condition, made
        return self._pixels[1]

    def _set(self, condition: Condition) -> Perturbation:
        """The set, prepared for the sample once."""
        if condition.set_name not in self._sets:
            images = images_of(condition, self.sample.split, self.sample.data)
            if images.own is not None or images.perturbation is None:
                raise UserError(f"{condition.set_name} has images of its own at one strength; choose another set.")
            images.perturbation.prepare(self.sample.split)
            self._sets[condition.set_name] = images
        found = self._sets[condition.set_name].perturbation
        assert found is not None
        return found


def _together(parts: list[Outcome]) -> Outcome:
    """One outcome of the images of several, in their order."""
    textures = [each.textures for each in parts if each.textures is not None]
    return Outcome(
        np.concatenate([each.targets for each in parts]),
        np.concatenate([each.log_probabilities for each in parts]),
        np.concatenate(textures) if textures else None,
    )
