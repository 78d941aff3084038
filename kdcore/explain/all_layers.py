"""Every layer and head of a method at once, each with how spread it is."""

import numpy as np
import torch
from torch import Tensor

from kdcore.explain.quality.agreement import pool
from kdcore.models import Tapped

LARGEST = 14  # cells a side that are kept of a map: enough for a thumbnail, and for pointing at a patch


def attention_of_all(model: Tapped, images: Tensor) -> list[np.ndarray]:
    """The class token's attention, a [B, h, H, W] a layer, from one forward."""
    with torch.no_grad():
        said = model(images, frozenset({"logits", "attention"}))
    return [layer.float().cpu().numpy() for layer in said.attention]


def entropy(heatmap: np.ndarray) -> float:
    """Shannon entropy of a map over that of an even one: 1 looks everywhere alike, 0 at a single cell; NaN for no map."""
    values = np.asarray(heatmap, dtype=np.float64).ravel()
    if not np.isfinite(values).all() or values.sum() <= 0 or values.size < 2:
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(values.size)) + 0.0  # + 0.0: no minus sign before nothing


def coarser(grid: tuple[int, int], largest: int = LARGEST) -> tuple[int, int]:
    """A grid of at most so many cells a side; where it can be, each cell of it holds a whole number of the finer ones."""
    return _fewer(grid[0], largest), _fewer(grid[1], largest)


def _fewer(cells: int, largest: int) -> int:
    if cells <= largest:
        return cells
    return next((n for n in range(largest, largest // 2, -1) if cells % n == 0), largest)


def pooled(affinity: np.ndarray, grid: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """What every patch attends to [N, N] of a grid, on a coarser one: a row is the mean over its patches, and keeps its sum."""
    if grid == to:
        return affinity
    attended = np.stack([pool(row.reshape(grid), to).ravel() for row in affinity])  # [N, n]
    share = to[0] * to[1] / (grid[0] * grid[1])
    return np.stack([pool(column.reshape(grid), to).ravel() for column in attended.T], axis=1) * share
