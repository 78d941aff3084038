"""Arrays as compact text for a browser: heatmaps as multiples of their average, in bytes."""

import base64

import numpy as np


def base64_bytes(array: np.ndarray) -> str:
    """uint8 values of any shape, row by row."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).decode("ascii")


def density(maps: np.ndarray) -> np.ndarray:
    """Maps [..., H, W] as multiples of their average, so that maps on different grids compare; a uniform map is 1."""
    maps = np.nan_to_num(np.asarray(maps, dtype=np.float32))
    return maps / np.maximum(maps.mean(axis=(-2, -1), keepdims=True), 1e-12)


def scale_for(densities: list[np.ndarray]) -> int:
    """The end of a colour scale that these share: a whole number from 2 to 8; larger values are clipped to it.

    About 3 % of the sharpest map's cells exceed it; a scale to the peak would make every broader map pale.
    """
    return int(np.clip(np.ceil(max(np.quantile(values, 0.97) for values in densities)), 2, 8))


def packed(densities: np.ndarray, most: int) -> str:
    """Values from 0 to `most` as base64 bytes from 0 to 255."""
    return base64_bytes(np.clip(densities * (255 / most), 0, 255).round())
