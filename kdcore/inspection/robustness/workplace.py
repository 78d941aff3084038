"""Networks, samples and prepared sets that stay in memory between calls of the Robustness page, and the lock around them."""

import math
import threading
from collections import OrderedDict

import torch

from kdcore.inspection.model_cache import ModelCache
from kdcore.inspection.robustness.background import Background
from kdcore.inspection.robustness.results import Values
from kdcore.models import Tapped
from kdcore.recipe import DataRecipe
from kdcore.results.comparison.figure import Figure
from kdcore.robustness import samples
from kdcore.robustness.live import Live
from kdcore.robustness.networks import Described, described
from kdcore.robustness.samples import Sample
from kdcore.runtime.once import once
from kdcore.store import Store

SAMPLES = 4  # in memory


class Workplace:
    """What one process holds for all of its windows. Take `lock` around every use of a network: one forward pass at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.RLock()
        self.ahead = Background()
        self._models = ModelCache(store, torch.device("cpu"))
        self._samples: OrderedDict[tuple[DataRecipe, int], Sample] = OrderedDict()
        self._lives: OrderedDict[tuple[DataRecipe, int], Live] = OrderedDict()

    def described(self, references: "list[str] | tuple[str, ...]") -> dict[str, Described]:
        return {reference: described(reference, self.store) for reference in dict.fromkeys(references)}

    def network(self, reference: str) -> Tapped:
        return self._models.get(reference)

    def sample(self, data: DataRecipe, count: int) -> Sample:
        """The first `count` images, or as many as there are. Raises UserError where they are not on this machine."""
        key = data, count
        if key not in self._samples:
            self._samples[key] = samples.load(data, count)
            while len(self._samples) > SAMPLES:
                self._samples.popitem(last=False)
        self._samples.move_to_end(key)
        return self._samples[key]

    def live(self, data: DataRecipe, count: int) -> Live:
        key = data, count
        if key not in self._lives:
            self._lives[key] = Live(samples.load(data, count))
            while len(self._lives) > SAMPLES:
                self._lives.popitem(last=False)
        self._lives.move_to_end(key)
        return self._lives[key]


@once(maxsize=2)
def of(store: Store) -> Workplace:
    """The one of this process for a store."""
    return Workplace(store)


def values_of(figure: Figure) -> Values:
    """A value and the ends of its interval; NaN where there is none."""
    return (figure.mean, figure.low, figure.high) if figure.bounded else (figure.mean, math.nan, math.nan)
