"""Sensitivity of heatmaps: a network's map on the clean image against its map on the perturbed one, beside a control."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdcore.data.perturbations import Clean, Perturbation, making
from kdcore.explain import default_map, explain
from kdcore.explain.grids import pool
from kdcore.explain.quality.agreement import Interval, agreement, other_images, with_interval
from kdcore.models import Tapped
from kdcore.robustness.assessment import images_of
from kdcore.robustness.conditions import Condition
from kdcore.robustness.samples import Sample

BATCH = 50
METRICS = ("cosine", "js")


@dataclass(frozen=True)
class Sensitivity:
    """How a network's maps react to a perturbation: means over images with their 95 % intervals.

    cosine, js: the clean map against the perturbed one. control: metric -> the clean map against that of another clean image,
        which is how far apart maps of unrelated images are.
    aligned: the perturbation moves pixels, and the map was moved back with them.
    """

    network: str
    condition: Condition
    map_name: str
    images: int
    cosine: Interval
    js: Interval
    control: dict[str, Interval]
    aligned: bool


def sensitivities(
    networks: Mapping[str, Tapped],
    sample: Sample,
    conditions: Sequence[Condition],
    map_names: Mapping[str, str] | None = None,
) -> Iterator[list[Sensitivity]]:
    """Each network under each condition; yields all rows so far after every one of them, and between batches.

    Args:
        networks: frozen. map_names: network -> the name of its map; its own map unless given.

    Raises:
        UserError: a map that a network does not have; a set that cannot be made from the sample, or has images of its own.
    """
    found: list[Sensitivity] = []
    names = {name: (map_names or {}).get(name) or default_map(model) for name, model in networks.items()}
    clean: dict[str, np.ndarray] = {}
    for condition in conditions:
        if condition.is_clean:
            continue
        images = images_of(condition, sample.split, sample.data)
        if images.own is not None or images.perturbation is None:
            continue  # there are no clean images to compare with
        perturbed: dict[str, list[np.ndarray]] = {name: [] for name in networks}
        originals: dict[str, list[np.ndarray]] = {name: [] for name in networks}
        sources: Tensor | None = None
        for places, batch in images.batches(BATCH):
            before = making.clean(sample.split, places)
            sources = moved(images.perturbation, before, condition.strength)
            for name, model in networks.items():
                if name not in clean:
                    originals[name].append(explain(model, model.at_own_size(before.images), names[name]).heatmaps)
                maps = explain(model, model.at_own_size(batch.images), names[name]).heatmaps
                perturbed[name].append(maps if sources is None else moved_back(maps, sources, before.images.shape[2:]))
                yield list(found)
        for name in networks:
            if originals[name]:
                clean[name] = np.concatenate(originals[name])
            maps = np.concatenate(perturbed[name])
            found.append(compared(name, condition, names[name], clean[name], maps, aligned=sources is not None))
        yield list(found)


def compared(
    network: str, condition: Condition, map_name: str, clean: np.ndarray, perturbed: np.ndarray, *, aligned: bool
) -> Sensitivity:
    """One network's maps [n, H, W] on clean and perturbed images. Images without a map are left out."""
    here = _agreements(clean, perturbed)
    control = _agreements(clean, clean[other_images(len(clean))])
    return Sensitivity(
        network=network,
        condition=condition,
        map_name=map_name,
        images=int(np.isfinite(here["cosine"]).sum()),
        cosine=with_interval(here["cosine"]),
        js=with_interval(here["js"]),
        control={metric: with_interval(control[metric]) for metric in METRICS},
        aligned=aligned,
    )


def moved(perturbation: Perturbation, clean: Clean, strength: float) -> Tensor | None:
    """Where each pixel of the perturbed images came from, [m, H * W]; None for a perturbation that does not just move pixels.

    Seen from what it does to a picture of coordinates that has the images' keys.
    """
    m, _, height, width = clean.images.shape
    rows = torch.linspace(0, 1, height, device=clean.images.device)[:, None].expand(height, width)
    columns = torch.linspace(0, 1, width, device=clean.images.device)[None, :].expand(height, width)
    picture = torch.stack([rows, columns, torch.zeros_like(rows)]).expand(m, 3, height, width).clone()
    found = perturbation.perturb(Clean(picture, clean.keys, clean.targets, clean.masks), strength).images
    row, column = ((found[:, i] * (side - 1)).round().long() for i, side in enumerate((height, width)))
    sources = (row * width + column).flatten(1)
    every = torch.arange(height * width, device=sources.device)
    if not bool((sources.sort(dim=1).values == every).all()):
        return None
    return None if bool((sources == every).all()) else sources


def moved_back(maps: np.ndarray, sources: Tensor, side: Sequence[int]) -> np.ndarray:
    """Maps [m, h, w] with each pixel where it came from; exact where a cell lies within one tile. Each map sums to 1 again."""
    height, width = side
    rows, columns = (np.arange(n) * cells // n for n, cells in zip((height, width), maps.shape[1:], strict=True))
    found = np.empty_like(maps)
    for place, (each, source) in enumerate(zip(maps, sources.cpu().numpy(), strict=True)):
        there = each[rows[:, None], columns].ravel()
        back = np.empty_like(there)
        back[source] = there
        pooled = pool(back.reshape(height, width), (maps.shape[1], maps.shape[2]))
        found[place] = pooled / pooled.sum()
    return found


def _agreements(one: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    each = [agreement(*pair) for pair in zip(one, other, strict=True)]
    return {metric: np.array([row[metric] for row in each]) for metric in METRICS}
