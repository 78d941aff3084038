"""Localization: how much of a map is on the object, on images whose objects are known.

The pointing game is Zhang et al., 2016, https://arxiv.org/abs/1608.00507; the energy inside is Wang et al., Score-CAM, 2020,
https://arxiv.org/abs/1910.01279.
"""

from dataclasses import dataclass

import numpy as np

from kdcore.explain.grids import pool
from kdcore.explain.quality.agreement import Interval, share_with_interval, with_interval


@dataclass(frozen=True)
class OnTheObject:
    """How much of maps is on their objects, over a set of images, as shares with 95 % intervals over images.

    hits: of images whose brightest cell touches the object; hits_by_chance: of all cells; hits_centred: of the middle one.
    inside: of the map's sum that is on the object; by_chance: of a uniform map's: the object's share of the image;
    centred: of a centre blob's.
    count, without: images with a map, and without one.
    """

    hits: Interval
    inside: Interval
    hits_by_chance: float
    hits_centred: float
    by_chance: float
    centred: float
    count: int
    without: int


def on_the_object(heatmaps: np.ndarray, masks: np.ndarray) -> OnTheObject:
    """The pointing game and the energy inside, for maps [n, H, W] (NaN where there is none) and masks [n, S, S]."""
    there = np.isfinite(heatmaps).all(axis=(1, 2))
    kept, known = heatmaps[there], masks[there]
    centre = centre_prior(heatmaps.shape[1:])
    hits = np.array([pointing(heatmap, mask) for heatmap, mask in zip(kept, known, strict=True)], dtype=float)
    inside = np.array([energy_inside(heatmap, mask) for heatmap, mask in zip(kept, known, strict=True)])
    middle = np.array([energy_inside(centre, mask) for mask in known])
    return OnTheObject(
        hits=share_with_interval(hits),
        inside=with_interval(inside),
        hits_by_chance=_mean([float((covered(mask, centre.shape) > 0).mean()) for mask in known]),
        hits_centred=_mean([pointing(centre, mask) for mask in known]),
        by_chance=float(known.mean()) if len(known) else float("nan"),
        centred=_mean(middle.tolist()),
        count=len(kept),
        without=int((~there).sum()),
    )


def beyond_controls(heatmaps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """What is inside of each map beyond what is of a uniform map and of a centre blob, whichever has more: [n], NaN without a map."""
    centre = centre_prior(heatmaps.shape[1:])
    return np.array(
        [
            energy_inside(heatmap, mask) - max(energy_inside(centre, mask), float(mask.mean()))
            if np.isfinite(heatmap).all()
            else float("nan")
            for heatmap, mask in zip(heatmaps, masks, strict=True)
        ]
    )


def pointing(heatmap: np.ndarray, mask: np.ndarray) -> bool:
    """Whether the brightest cell of a map [H, W] touches the object of a mask [S, S]; the first of equals."""
    return bool(covered(mask, heatmap.shape).ravel()[heatmap.argmax()] > 0)


def energy_inside(heatmap: np.ndarray, mask: np.ndarray) -> float:
    """The share of a map's sum that is on the object; a cell counts as far as the object covers it."""
    return float((heatmap * covered(mask, heatmap.shape)).sum() / heatmap.sum())


def covered(mask: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """The share of each cell of a grid (H, W) that a mask [S, S] covers: [H, W]."""
    rows, columns = grid
    cell = mask.shape[0] / rows * mask.shape[1] / columns
    return pool(mask.astype(np.float64), (rows, columns)) / cell


def centre_prior(grid: tuple[int, ...]) -> np.ndarray:
    """A Gaussian in the middle of a grid (H, W), a quarter of the side wide, that sums to 1: a map without a network."""
    rows, columns = (np.exp(-0.5 * (((np.arange(n) + 0.5) / n - 0.5) / 0.25) ** 2) for n in grid)
    prior: np.ndarray = np.outer(rows, columns)
    return prior / prior.sum()


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
