"""Grids of maps: pooling to a coarser one, and the entropy of a map."""

import numpy as np

LARGEST = 14  # cells a side that are kept of a map: enough for a thumbnail, and for pointing at a patch


def entropy(heatmap: np.ndarray) -> float:
    """Shannon entropy of a map over that of a uniform one: 1 for a uniform map, 0 for a single cell; NaN for no map."""
    values = np.asarray(heatmap, dtype=np.float64).ravel()
    if not np.isfinite(values).all() or values.sum() <= 0 or values.size < 2:
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(values.size)) + 0.0  # + 0.0: no minus sign before zero


def coarser(grid: tuple[int, int], largest: int = LARGEST) -> tuple[int, int]:
    """A grid of at most so many cells a side; where possible, each of its cells holds a whole number of the finer ones."""
    return _fewer(grid[0], largest), _fewer(grid[1], largest)


def _fewer(cells: int, largest: int) -> int:
    if cells <= largest:
        return cells
    return next((n for n in range(largest, largest // 2, -1) if cells % n == 0), largest)


def pool(heatmap: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A map [H, W] on a coarser grid, by area. A cell that is cut goes to both parts in proportion, so the sum is kept."""
    rows, columns = (_shares(n, m) for n, m in zip(heatmap.shape, grid, strict=True))
    return rows @ heatmap @ columns.T


def pool_affinity(affinity: np.ndarray, grid: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """What every patch of a grid attends to [N, N], on a coarser grid: a row is the mean over its patches and keeps its sum."""
    if grid == to:
        return affinity
    attended = np.stack([pool(row.reshape(grid), to).ravel() for row in affinity])  # [N, n]
    share = to[0] * to[1] / (grid[0] * grid[1])
    return np.stack([pool(column.reshape(grid), to).ravel() for column in attended.T], axis=1) * share


def _shares(cells: int, coarser: int) -> np.ndarray:
    """The share of each of `cells` within each of `coarser` equal parts of the same length: [coarser, cells]."""
    if cells == coarser:
        return np.eye(cells)
    edges = np.arange(coarser + 1) * cells / coarser
    starts = np.arange(cells)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return overlap.clip(min=0)
