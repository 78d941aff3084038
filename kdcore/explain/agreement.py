"""How alike two heatmaps are, in four figures."""

import numpy as np
from scipy.special import rel_entr
from scipy.stats import spearmanr

METRICS = ("cosine", "spearman", "js", "iou@20")
TOP = 0.2


def agreement(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Agreement of two maps [H, W], on the coarser of their grids. Negative values count as 0.

    Returns:
        cosine: 1 where they point the same way. Two maps of anything are rarely below 0.5: compare, do not admire.
        spearman: of the cells' ranks, from -1 to 1.
        js: Jensen-Shannon divergence in nats, from 0 (alike) to ln 2 = 0.693.
        iou@20: the cells that both have among their top 20 %, over those that either has.
        All are NaN where a map is constant or not finite: it says nothing, so nothing agrees with it.
    """
    grid = (min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1]))
    p, q = (pool(np.asarray(m, dtype=np.float64).clip(min=0), grid).ravel() for m in (a, b))
    if not (_says_something(p) and _says_something(q)):
        return dict.fromkeys(METRICS, float("nan"))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return {
        "cosine": float(p @ q / np.sqrt((p @ p) * (q @ q))),
        "spearman": float(spearmanr(p, q).statistic),
        "js": max(0.0, float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2),
        "iou@20": _iou(_top(p), _top(q)),
    }


def pool(heatmap: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Pool [H, W] to a coarser grid by area. What lies in a cell that is cut goes to both parts, so the sum is kept."""
    rows, columns = (_shares(n, m) for n, m in zip(heatmap.shape, grid, strict=True))
    return rows @ heatmap @ columns.T


def _shares(cells: int, coarser: int) -> np.ndarray:
    """The share of each of `cells` that lies in each of `coarser` equal parts of the same length: [coarser, cells]."""
    if cells == coarser:
        return np.eye(cells)
    edges = np.arange(coarser + 1) * cells / coarser
    starts = np.arange(cells)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return overlap.clip(min=0)


def _says_something(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and values.max() - values.min() > 1e-6 * values.max())


def _top(values: np.ndarray) -> set[int]:
    """The largest 20 % of the cells, always as many; the first of equals."""
    count = max(1, round(TOP * len(values)))
    return set(np.argsort(-values, kind="stable")[:count].tolist())


def _iou(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)
