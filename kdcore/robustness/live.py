"""Accuracies at any strength on a small sample, at once: the sample, its clean outcomes and prepared sets stay in memory."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

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

HELD = 64  # outcomes


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
        lacking = {name: model for name, model in networks.items() if (keys[name], condition) not in self._outcomes}
        if lacking:
            assessment.check(lacking, self.sample.split)
            perturbed = self._perturbed(condition)
            for name, outcome in assessment.of_batch(lacking, perturbed, self.sample.split.targets).items():
                self._outcomes[keys[name], condition] = outcome
        found = {}
        for name in networks:
            self._outcomes.move_to_end((keys[name], condition))
            found[name] = self._outcomes[keys[name], condition]
        while len(self._outcomes) > HELD:
            self._outcomes.popitem(last=False)
        return found

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
