"""Which maps deserve trust: do they lie on the object that decides, does the answer depend on what they point to, and do
they depend on what was learnt?

Measured where the truth is known, on a split with the objects' masks (`cues`). Beside the maps stand two that need no network.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from kdcore.data import Split
from kdcore.errors import UserError
from kdcore.explain import METHODS, agreement, explain, methods_for
from kdcore.explain.maps.base import left_as_it_was
from kdcore.explain.quality.agreement import Interval, with_interval
from kdcore.explain.quality.faithfulness import faithfulness
from kdcore.explain.quality.localization import OnTheObject, centre_prior, on_the_object
from kdcore.explain.quality.randomization import cascading, layers
from kdcore.models import Tapped

CONTROLS = {"random": "Noise", "centre": "A blob in the middle"}
COSTLY = ("occlusion",)  # a forward a patch: of the cascade only its end
BATCH = 50
LEFT = 0.5  # rank correlation: where less is left without the weights, they made the map


@dataclass(frozen=True)
class Randomised:
    """How alike maps are to those of the same network whose weights, from the last layer down to `layer`, are random.

    spearman, ssim: with 95 % intervals over images. count: images with a map from both.
    """

    layer: str
    spearman: Interval
    ssim: Interval
    count: int


@dataclass(frozen=True)
class Trust:
    """What a map is worth. All shares and probabilities with 95 % bootstrap intervals over images.

    map: a name in `METHODS`, or in `CONTROLS`.
    deletion, insertion: areas under the curves, over `count` images; lower and higher is better.
    faithful: insertion less deletion, beyond what a random order gives on the same image.
    cascade: from the last layer down to the first; the last entry has no learnt weight left. Empty for a control.
    forwards: what a map costs, in plain forward passes of the same network; 0 for a control.
    """

    map: str
    on_object: OnTheObject
    deletion: Interval
    insertion: Interval
    faithful: Interval
    count: int
    cascade: tuple[Randomised, ...]
    forwards: float

    @property
    def passes(self) -> dict[str, bool]:
        """What the intervals bear out.

        object: more of it lies on the object than of a uniform map and of a blob in the middle.
        faithful: the answer hangs on its patches more than on random ones.
        learnt: without the learnt weights less than half of the rank correlation is left.
        """
        return {
            "object": self.on_object.beyond[1] > 0,
            "faithful": self.faithful[1] > 0,
            "learnt": bool(self.cascade) and self.cascade[-1].spearman[2] < LEFT,
        }


def trust(
    model: Tapped,
    split: Split,
    methods: Iterable[str] = (),
    *,
    few: int = 50,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[Trust, ...]:
    """Hold a network's maps, and the controls, against a split whose objects are known.

    Args:
        split: with masks in its extras; on the model's device.
        methods: all that the model can have unless said, but those that ask about a patch.
        few: the first so many images are asked about faithfulness and the randomisation, which cost many forwards.

    Raises:
        ValueError: the split has no masks.
    """
    if "masks" not in split.extras:
        raise UserError(
            f"The {split.name} split has no masks, so nobody knows where its objects are. The splits of `cues` have them."
        )
    masks, images = split.extras["masks"].cpu().numpy(), split.images.float() / 255
    chosen = tuple(methods) or tuple(name for name in methods_for(model) if not METHODS[name].takes_query)
    targets, seconds = _named(model, images)
    maps: dict[str, np.ndarray] = {}
    forwards = dict.fromkeys((*chosen, *CONTROLS), 0.0)
    for name in chosen:
        report(METHODS[name].title)
        maps[name], forwards[name] = _timed(model, images, name, seconds)
    grid = maps[chosen[0]].shape[1:]
    maps["random"] = np.random.default_rng(0).random((len(images), *grid), dtype=np.float32)
    maps["centre"] = np.broadcast_to(centre_prior(grid), (len(images), *grid))

    report("Deletion and insertion")
    followed = {name: _areas(model, images[:few], found[:few], targets[:few]) for name, found in maps.items()}
    by_chance = followed["random"][1] - followed["random"][0]
    report("The network without what it learnt")
    cascades = _cascades(model, images[:few], targets[:few], {name: maps[name][:few] for name in chosen})
    return tuple(
        Trust(
            map=name,
            on_object=on_the_object(found, masks),
            deletion=with_interval(followed[name][0]),
            insertion=with_interval(followed[name][1]),
            faithful=with_interval(followed[name][1] - followed[name][0] - by_chance),
            count=int(np.isfinite(followed[name][0]).sum()),
            cascade=tuple(cascades.get(name, ())),
            forwards=forwards[name],
        )
        for name, found in maps.items()
    )


def _named(model: Tapped, images: Tensor) -> tuple[np.ndarray, list[float]]:
    """The class that the model names, [n], and the CPU seconds of each batch's plain forward."""
    targets, seconds = [], []
    with left_as_it_was(model), torch.no_grad():
        model(images[:BATCH])  # the first one is slower
        for part in images.split(BATCH):
            began = time.process_time()
            targets.append(model(part).logits.argmax(dim=1).cpu().numpy())
            seconds.append(time.process_time() - began)
    return np.concatenate(targets), seconds


def _timed(model: Tapped, images: Tensor, method: str, plain: list[float]) -> tuple[np.ndarray, float]:
    """Maps [n, H, W], NaN where there is none, and what one costs in forwards."""
    found, ratios = [], []
    for part, seconds in zip(images.split(BATCH), plain, strict=True):
        began = time.process_time()
        found.append(explain(model, part, method).heatmaps)
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


def _cascades(
    model: Tapped, images: Tensor, targets: np.ndarray, maps: dict[str, np.ndarray]
) -> dict[str, list[Randomised]]:
    """Each map against that of ever more random networks, asked about the same classes."""
    found: dict[str, list[Randomised]] = {name: [] for name in maps}
    asked = torch.from_numpy(targets).to(images.device)
    steps = len(layers(model))
    for step, (layer, copied) in enumerate(cascading(model), start=1):
        for name, before in maps.items():
            if name in COSTLY and step < steps:
                continue
            after = explain(copied, images, name, target=asked).heatmaps
            rows = [agreement(one, other) for one, other in zip(before, after, strict=True)]
            spearman, ssim = (np.array([row[metric] for row in rows]) for metric in ("spearman", "ssim"))
            count = int(np.isfinite(spearman).sum())
            found[name].append(Randomised(layer, with_interval(spearman), with_interval(ssim), count))
    return found
