"""Blurs and resizing as matrices along the two axes of an image, and motion blur: what several corruptions share.

The arithmetic is that of the libraries that the authors of CIFAR-10-C used, named at each function.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

PUBLISHED_SIDE = 32  # pixels, of the images for which lengths are published


def scale(images: Tensor) -> float:
    """By how much lengths that are published for 32 pixels grow for images [..., H, W]."""
    return min(images.shape[-2:]) / PUBLISHED_SIDE


def applied(images: Tensor, down: np.ndarray, across: np.ndarray) -> Tensor:
    """`down @ image @ across.T` for every channel: [m, C, H, W] with matrices [H', H] and [W', W] -> [m, C, H', W']."""
    return along(along(images, across=across), down=down)


def along(images: Tensor, *, down: np.ndarray | None = None, across: np.ndarray | None = None) -> Tensor:
    """One of the two products of `applied`."""
    if across is not None:
        return images.contiguous() @ torch.from_numpy(across).to(images).T
    assert down is not None
    return torch.from_numpy(down).to(images) @ images.contiguous()


def gaussian(images: Tensor, sigma: float, *, mode: str = "nearest", truncate: float = 4.0) -> Tensor:
    """Gaussian blur as `skimage.filters.gaussian` has it (scipy.ndimage.gaussian_filter). Sigma is in pixels.

    Args:
        mode: pixels beyond the border: `nearest` repeats the last, `reflect` mirrors the image with its last pixel.
        truncate: the kernel's radius in sigmas.
    """
    down, across = (gaussian_matrix(side, sigma, mode, truncate) for side in images.shape[-2:])
    return images.clone() if down is None or across is None else applied(images, down, across)


@lru_cache(maxsize=64)
def gaussian_matrix(side: int, sigma: float, mode: str, truncate: float) -> np.ndarray | None:
    """The blur along an axis as a matrix [side, side]; None where the kernel has one pixel, so nothing changes."""
    radius = int(truncate * sigma + 0.5)
    if not radius:
        return None
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    places = np.arange(side)[:, None] + np.arange(-radius, radius + 1)
    if mode == "nearest":
        places = np.clip(places, 0, side - 1)
    else:
        places = places % (2 * side)
        places = np.minimum(places, 2 * side - 1 - places)
    return _matrix(places, np.broadcast_to(weights / weights.sum(), places.shape), side)


def mirrored_matrix(side: int, weights: np.ndarray) -> np.ndarray:
    """Correlation with weights [k], k odd, along an axis mirrored at its last pixels' centres, as OpenCV does: [side, side]."""
    reach, most = len(weights) // 2, max(1, 2 * side - 2)
    places = (np.arange(side)[:, None] + np.arange(-reach, reach + 1)) % most
    places = np.minimum(places, most - places) % side
    return _matrix(places, np.broadcast_to(weights, places.shape), side)


@lru_cache(maxsize=256)
def zoom_matrix(side: int, factor: float) -> np.ndarray:
    """The middle of an axis enlarged by a factor, linearly, to its old length, [side, side]: the authors' `clipped_zoom`.

    It uses `scipy.ndimage.zoom` of order 1, which puts the first and the last pixel onto each other.
    """
    cropped = math.ceil(side / factor)
    top, enlarged = (side - cropped) // 2, round(cropped * factor)
    trim = (enlarged - side) // 2
    at = np.arange(trim, trim + side) * ((cropped - 1) / max(1, enlarged - 1))
    low = np.minimum(np.floor(at).astype(int), max(0, cropped - 2))
    part = at - low
    places = np.stack([low, np.minimum(low + 1, cropped - 1)], axis=1) + top
    return _matrix(places, np.stack([1 - part, part], axis=1), side)


def low_pass(images: Tensor, cutoff: float) -> Tensor:
    """The images without frequencies above the cutoff in either direction, in cycles per image; not clamped."""
    down, across = (low_pass_matrix(side, cutoff) for side in images.shape[-2:])
    return applied(images, down, across)


@lru_cache(maxsize=64)
def low_pass_matrix(side: int, cutoff: float) -> np.ndarray:
    """Along an axis: from its discrete Fourier transform, the frequencies up to the cutoff, transformed back: [side, side]."""
    transformed = np.fft.fft(np.eye(side), axis=0)
    kept = np.abs(np.fft.fftfreq(side, 1 / side)) <= cutoff
    return np.ascontiguousarray(np.fft.ifft(transformed * kept[:, None], axis=0).real, dtype=np.float32)


@lru_cache(maxsize=64)
def box_matrix(before: int, after: int) -> np.ndarray:
    """Resizing along an axis with Pillow's box filter, [after, before]."""
    step = before / after
    width = max(step, 1.0)
    found = np.zeros((after, before))
    for place in range(after):
        centre = (place + 0.5) * step
        low, high = int(max(0.0, centre - width / 2 + 0.5)), int(min(before, centre + width / 2 + 0.5))
        offsets = (np.arange(low, high) - centre + 0.5) / width
        found[place, low:high] = (offsets > -0.5) & (offsets <= 0.5)
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)


def motion_blur(images: Tensor, degrees: Tensor, radius: float, sigma: float) -> Tensor:
    """Blur along a line from each pixel, by ImageMagick's `MotionBlurImage`: [m, C, H, W] and a direction each, [m].

    The weights are half a Gaussian over 2 * ceil(radius) + 1 pixels; each takes the pixel nearest to its place on the line,
    and the border's beyond the border.
    """
    m, channels, height, width = images.shape
    taps = 2 * math.ceil(radius) + 1
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    steps, angles = torch.arange(taps, device=images.device), torch.deg2rad(degrees.double())[:, None]
    right = torch.ceil(steps * torch.cos(angles) - 0.5).long()  # [m, taps]
    below = torch.ceil(steps * torch.sin(angles) - 0.5).long()
    rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
    flat = images.contiguous().flatten(2)
    found = torch.zeros_like(flat)
    for tap, weight in enumerate(weights.tolist()):
        row = (rows + below[:, tap, None]).clamp(0, height - 1)
        column = (columns + right[:, tap, None]).clamp(0, width - 1)
        places = (row[:, :, None] * width + column[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
        found.add_(flat.gather(2, places), alpha=weight)
    return found.reshape(m, channels, height, width)


def _matrix(places: np.ndarray, weights: np.ndarray, side: int) -> np.ndarray:
    """A matrix whose rows have weights [n, k] at places [n, k]; equal places add up."""
    found = np.zeros((len(places), side))
    np.add.at(found, (np.arange(len(places))[:, None], places), weights)
    return found.astype(np.float32)
