"""Agreement of two heatmaps by six metrics, each beside its controls."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.special import rel_entr, stdtrit
from scipy.stats import spearmanr

from kdcore.errors import UserError
from kdcore.explain.grids import pool
from kdcore.results.metrics import wilson

METRICS = ("cosine", "centred", "spearman", "js", "ssim", "iou@20")
TOP = 0.2
Interval = tuple[float, float, float]  # a mean and the ends of its interval
Shown = Literal["more", "less", "open", "few", "nothing"]
LEAST_IMAGES = 5  # from so many on Student's interval covers what it should (docs/reliability.md)
WINDOW = 3  # cells a side that SSIM compares at a time


def agreement(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Agreement of two maps [H, W], on the coarser of their grids. Negative values count as 0.

    Returns:
        cosine: 1 where they point the same way. Any two maps are rarely below 0.5.
        centred: the cosine of what is left without the mean (Pearson's correlation), from -1 to 1.
        spearman: of the cells' ranks, from -1 to 1.
        js: Jensen-Shannon divergence in nats, from 0 (alike) to ln 2 = 0.693.
        ssim: structural similarity of the maps, each divided by its maximum, over windows of 3 x 3 cells (Wang et al.,
            2004, https://doi.org/10.1109/TIP.2003.819861); NaN on grids that are smaller.
        iou@20: the cells that both have among their top 20 %, over those that either has.
        All are NaN where a map is constant or not finite.
    """
    grid = (min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1]))
    one, other = (pool(np.asarray(m, dtype=np.float64).clip(min=0), grid) for m in (a, b))
    p, q = one.ravel(), other.ravel()
    if not (_has_contrast(p) and _has_contrast(q)):
        return dict.fromkeys(METRICS, float("nan"))
    similarity = ssim(one / one.max(), other / other.max())
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return {
        "cosine": _cosine(p, q),
        "centred": _cosine(p - p.mean(), q - q.mean()),
        "spearman": float(spearmanr(p, q).statistic),
        "js": max(0.0, float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2),
        "ssim": similarity,
        "iou@20": _iou(_top(p), _top(q)),
    }


@dataclass(frozen=True)
class Controlled:
    """One metric's mean over images, and the same metric of its controls.

    paired: the two networks on the same image. shuffled: on different images: what agrees there is centre bias.
    centre: the second network against a blob in the middle. untrained: the first network against the second before
    training, where that is known. gain: paired - shuffled with its 95 % interval over images.
    count: images on which both have a map.
    """

    paired: float
    shuffled: float
    centre: float
    untrained: float
    gain: tuple[float, float, float]
    count: int

    def shown(self, sign: int = 1) -> Shown:
        """Whether maps agree more on the same image, or less, as far as the interval shows it.

        Args:
            sign: 1 where higher values are more agreement, -1 where lower ones are.

        Returns:
            `few` for fewer than `LEAST_IMAGES`; `nothing` where there is no value, such as SSIM on grids of fewer than 3 cells.
        """
        gain, low, high = self.gain
        if not math.isfinite(gain):
            return "nothing"
        if self.count < LEAST_IMAGES:
            return "few"
        if not (low > 0 or high < 0):
            return "open"
        return "more" if sign * gain > 0 else "less"


def with_controls(
    student: np.ndarray, teacher: np.ndarray, centre: np.ndarray, untrained: np.ndarray | None = None
) -> dict[str, Controlled]:
    """The agreement of two networks' maps [n, H, W] over images, each metric beside its controls.

    Args:
        student, teacher: their maps; NaN where there is none.
        centre: a map [H, W] that needs no network.
        untrained: the student's maps before it was trained, [n, H, W].
    """
    there = np.flatnonzero(np.isfinite(student).all(axis=(1, 2)) & np.isfinite(teacher).all(axis=(1, 2)))
    if len(there) < 2:
        raise UserError(
            f"Controls need at least 2 images on which both networks have a map, but there {'is 1' if len(there) == 1 else f'are {len(there)}'}."
        )
    student, teacher = student[there], teacher[there]

    def figures(of: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
        rows = [agreement(*of(i)) for i in range(len(there))]
        return {metric: np.array([row[metric] for row in rows]) for metric in METRICS}

    paired = figures(lambda i: (student[i], teacher[i]))
    other = other_images(len(there))
    shuffled = figures(lambda i: (student[i], teacher[other[i]]))
    middle = figures(lambda i: (student[i], centre))
    before = figures(lambda i: (untrained[there[i]], teacher[i])) if untrained is not None else {}
    nothing = np.full(1, np.nan)
    return {
        metric: Controlled(
            paired=_mean(paired[metric]),
            shuffled=_mean(shuffled[metric]),
            centre=_mean(middle[metric]),
            untrained=_mean(before.get(metric, nothing)),
            gain=with_interval(paired[metric] - shuffled[metric]),
            count=len(there),
        )
        for metric in METRICS
    }


def other_images(count: int, seed: int = 0) -> np.ndarray:
    """Another image for each of `count`, never itself: [count]. Drawn, because a split's order may repeat its classes."""
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two maps [H, W] in [0, 1] with a uniform window of 3 x 3 cells that fits inside."""
    if min(one.shape) < WINDOW:
        return float("nan")
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    cells = WINDOW**2

    def mean(values: np.ndarray) -> np.ndarray:
        smooth: np.ndarray = uniform_filter(values, WINDOW)[inner, inner]
        return smooth

    a, b = mean(one), mean(other)
    unbiased = cells / (cells - 1)
    variance_a, variance_b = (unbiased * (mean(m * m) - mu * mu) for m, mu in ((one, a), (other, b)))
    covariance = unbiased * (mean(one * other) - a * b)
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (variance_a + variance_b + c2))
    return float(alike.mean())


def _has_contrast(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and values.max() - values.min() > 1e-6 * values.max())


def _cosine(p: np.ndarray, q: np.ndarray) -> float:
    return float(p @ q / np.sqrt((p @ p) * (q @ q)))


def _top(values: np.ndarray) -> set[int]:
    """The largest 20 % of the cells, always as many; the first of equals."""
    count = max(1, round(TOP * len(values)))
    return set(np.argsort(-values, kind="stable")[:count].tolist())


def _iou(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def with_interval(values: np.ndarray, level: float = 0.05) -> Interval:
    """The mean over images [n] with its interval by Student's t; values that are not numbers are left out.

    The bootstrap covers too rarely: 82 to 84 % for 5 images, 90 to 91 % for 10, such as a class of the gallery, against 93 to
    96 % (docs/reliability.md). Of a single image the ends are NaN.

    Args:
        level: how often the interval may miss: 0.05 for a 95 % interval.
    """
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else float("nan")
    if len(known) < 2:
        return mean, float("nan"), float("nan")
    half = float(stdtrit(len(known) - 1, 1 - level / 2)) * float(known.std(ddof=1)) / len(known) ** 0.5
    return mean, mean - half, mean + half


def share_with_interval(hits: np.ndarray) -> Interval:
    """The share of images that are hits, [n] of 0 and 1, with Wilson's 95 % interval; NaN without images."""
    if not len(hits):
        return (float("nan"),) * 3
    return float(hits.mean()), *wilson(int(hits.sum()), len(hits))
