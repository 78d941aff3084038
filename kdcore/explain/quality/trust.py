"""Which maps can be trusted: whether they show the object, are faithful and depend on learnt weights.

Measured on a split with the objects' masks (`cues`). Two controls need no network: noise and a blob in the middle.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from torch import Tensor

from kdcore.data import datasets
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.explain import maps as map_files
from kdcore.explain.heatmaps import explain, maps_for
from kdcore.explain.quality.agreement import Interval, agreement, with_interval
from kdcore.explain.quality.faithfulness import faithfulness
from kdcore.explain.quality.localization import OnTheObject, beyond_controls, centre_prior, on_the_object
from kdcore.explain.quality.passing import intervals
from kdcore.explain.quality.randomization import cascading, layers
from kdcore.explain.reading.hooks import left_as_it_was
from kdcore.models import Tapped

CONTROLS = {"random": "Noise", "centre": "A blob in the middle"}
TESTS = ("object", "faithful", "learnt")
BATCH = 50
LEFT = 0.5  # rank correlation with random weights: a map with less depends on the learnt weights


@dataclass(frozen=True)
class Randomised:
    """Similarity of maps to those of the same network whose weights, from the last layer down to `layer`, are random.

    spearman, ssim: with 95 % intervals over images. count: images with a map from both.
    """

    layer: str
    spearman: Interval
    ssim: Interval
    count: int


@dataclass(frozen=True)
class Trust:
    """The measurements of one map. All shares and probabilities with 95 % intervals over images, but for `margins`.

    map: a map's name, or one in `CONTROLS`.
    deletion, insertion: areas under the curves, over `count` images; lower and higher is better.
    cascade: from the last layer down to the first; in the last entry all weights are random. Empty for a control.
    margins: what decides each test of `passes`, above 0 where it is passed. Their intervals are wider, so that a false pass among
        all maps and tests of a network has a probability of at most 5 % (Holm's procedure); of a control they are 95 % intervals.
    forwards: the cost of a map in plain forward passes of the same network; 0 for a control.
    """

    map: str
    on_object: OnTheObject
    deletion: Interval
    insertion: Interval
    count: int
    cascade: tuple[Randomised, ...]
    margins: Mapping[str, tuple[Interval, ...]]
    forwards: float

    @property
    def passes(self) -> dict[str, bool]:
        """Which tests the map passes, by the intervals of its margins.

        object: more of it is on the object than of a uniform map and of a blob in the middle.
        faithful: insertion - deletion is larger than for a random order, and for a blob in the middle, on the same image.
        learnt: with random weights less than half of the rank correlation is left.
        """
        return {test: self.map not in CONTROLS and all(each[1] > 0 for each in self.margins[test]) for test in TESTS}


def trust(
    model: Tapped,
    split: Split,
    names: Iterable[str] = (),
    *,
    few: int = 50,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[Trust, ...]:
    """Test a network's maps, and the controls, on a split whose objects are known.

    Args:
        split: with masks in its extras; on the model's device.
        names: of maps; all that the model has unless given, without those that are about one patch.
        few: faithfulness and randomization, which cost many forwards, are measured on so many of the images.

    Raises:
        UserError: the split has no masks.
    """
    masks, images = _masks(split), split.images.float() / 255
    cards = map_files.cards()
    chosen = tuple(names) or tuple(name for name in maps_for(model) if not cards[name].takes_query)
    targets, seconds = _predicted(model, images)
    maps: dict[str, np.ndarray] = {}
    forwards = dict.fromkeys((*chosen, *CONTROLS), 0.0)
    for name in chosen:
        report(cards[name].title)
        maps[name], forwards[name] = _timed(model, images, name, seconds)
    grid = maps[chosen[0]].shape[1:]
    maps["random"] = np.random.default_rng(0).random((len(images), *grid), dtype=np.float32)
    maps["centre"] = np.broadcast_to(centre_prior(grid), (len(images), *grid))

    report("Deletion and insertion")
    areas = {name: _areas(model, images[:few], found[:few], targets[:few]) for name, found in maps.items()}
    effects = {name: insertion - deletion for name, (deletion, insertion) in areas.items()}
    report("Random weights")
    cascades = _cascades(model, images[:few], targets[:few], {name: maps[name][:few] for name in chosen})
    found = {
        name: {
            "object": (beyond_controls(drawn, masks),),
            "faithful": tuple(effects[name] - effects[control] for control in CONTROLS),
            "learnt": (LEFT - cascades[name].rank_correlations,) if name in cascades else (),
        }
        for name, drawn in maps.items()
    }
    decisive = intervals({(name, test): found[name][test] for name in chosen for test in TESTS})
    return tuple(
        Trust(
            map=name,
            on_object=on_the_object(drawn, masks),
            deletion=with_interval(areas[name][0]),
            insertion=with_interval(areas[name][1]),
            count=int(np.isfinite(areas[name][0]).sum()),
            cascade=tuple(cascades[name].steps) if name in cascades else (),
            margins={
                test: decisive.get((name, test)) or tuple(map(with_interval, found[name][test])) for test in TESTS
            },
            forwards=forwards[name],
        )
        for name, drawn in maps.items()
    )


def _masks(split: Split) -> np.ndarray:
    """Where the objects of a split are, [n, S, S]. Raises UserError where that is not known."""
    if "masks" not in split.extras:
        with_masks = ", ".join(name for name in datasets.names() if datasets.get(name).has_masks)
        raise UserError(
            f"The {split.name} split has no masks of its objects, so maps cannot be tested on it. "
            f"Datasets with masks: {with_masks}."
        )
    return split.extras["masks"].cpu().numpy()


def _predicted(model: Tapped, images: Tensor) -> tuple[np.ndarray, list[float]]:
    """The predicted class [n], and the CPU seconds of each batch's plain forward."""
    targets, seconds = [], []
    with left_as_it_was(model), torch.no_grad():
        model(images[:BATCH])  # the first one is slower
        for part in images.split(BATCH):
            began = time.process_time()
            targets.append(model(part).logits.argmax(dim=1).cpu().numpy())
            seconds.append(time.process_time() - began)
    return np.concatenate(targets), seconds


def _timed(model: Tapped, images: Tensor, name: str, plain: list[float]) -> tuple[np.ndarray, float]:
    """Maps [n, H, W], NaN where there is none, and the cost of one in forwards."""
    found, ratios = [], []
    for part, seconds in zip(images.split(BATCH), plain, strict=True):
        began = time.process_time()
        found.append(explain(model, part, name).heatmaps)
        ratios.append((time.process_time() - began) / seconds)
    return np.concatenate(found), median(ratios)


def _areas(model: Tapped, images: Tensor, maps: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deletion's and insertion's areas [n]; NaN where there is no map."""
    there = np.flatnonzero(np.isfinite(maps).all(axis=(1, 2)))
    deletion, insertion = np.full(len(maps), np.nan), np.full(len(maps), np.nan)
    if len(there):
        found = faithfulness(model, images[torch.from_numpy(there)], maps[there], targets[there], steps=8)
        deletion[there], insertion[there] = found.deletion_area, found.insertion_area
    return deletion, insertion


@dataclass
class _Cascade:
    """steps: from the last layer down; rank_correlations: of the last step, by image [n]."""

    steps: list[Randomised] = field(default_factory=list)
    rank_correlations: np.ndarray = field(default_factory=lambda: np.empty(0))


def _cascades(model: Tapped, images: Tensor, targets: np.ndarray, maps: dict[str, np.ndarray]) -> dict[str, _Cascade]:
    """Each map against those of ever more random networks, for the same classes; of a map that costs a forward a patch the last alone."""
    found = {name: _Cascade() for name in maps}
    classes = torch.from_numpy(targets).to(images.device)
    steps = len(layers(model))
    for step, (layer, copied) in enumerate(cascading(model), start=1):
        for name, before in maps.items():
            if map_files.card(name).forwards_per_cell and step < steps:
                continue
            after = explain(copied, images, name, target=classes).heatmaps
            rows = [agreement(one, other) for one, other in zip(before, after, strict=True)]
            spearman, ssim = (np.array([row[metric] for row in rows]) for metric in ("spearman", "ssim"))
            count = int(np.isfinite(spearman).sum())
            found[name].steps.append(Randomised(layer, with_interval(spearman), with_interval(ssim), count))
            found[name].rank_correlations = spearman
    return found
