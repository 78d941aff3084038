"""Against ImageMagick's `MotionBlurImage` (magick/effect.c), its loop written anew."""

import math

import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import resampling
from tests.kdcore.data.perturbations.samples import clean, split


def by_imagemagick(image: np.ndarray, radius: float, sigma: float, angle: float) -> np.ndarray:
    width = 2 * math.ceil(radius) + 1
    kernel = [math.exp(-i * i / (2 * sigma * sigma)) / (math.sqrt(2 * math.pi) * sigma) for i in range(width)]
    x, y = width * math.sin(math.radians(angle)), width * math.cos(math.radians(angle))
    found = np.zeros(image.shape)
    for i, weight in enumerate(kernel):
        right, down = math.ceil(i * y / math.hypot(x, y) - 0.5), math.ceil(i * x / math.hypot(x, y) - 0.5)
        rows = np.clip(np.arange(image.shape[0]) + down, 0, image.shape[0] - 1)
        columns = np.clip(np.arange(image.shape[1]) + right, 0, image.shape[1] - 1)
        found += weight / sum(kernel) * image[rows][:, columns]
    return found


@pytest.mark.parametrize("angle", [-37.0, 0.0, 45.0, -101.0])
def test_the_line_of_each_image(angle: float) -> None:
    batch = clean(split(33, n=4))
    found = resampling.motion_blur(batch.images, torch.full((4,), angle), 9, 2.5)
    for given, image in zip(batch.images, found, strict=True):
        expected = by_imagemagick(given.permute(1, 2, 0).numpy(), 9, 2.5, angle)
        np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=1e-5)


def test_a_point_becomes_a_line_within_45_degrees_of_the_horizontal() -> None:
    batch = clean(split(33, n=60))
    points = torch.zeros(60, 3, 33, 33)
    points[:, :, 16, 16] = 1
    lines = perturbations.get("motion_blur").perturb(type(batch)(points, batch.keys), 5).images[:, 0]
    rows, columns = (lines.sum(dim=dim) for dim in (2, 1))
    at = torch.arange(33) - 16.0
    slopes = (rows * at).sum(dim=1) / (columns * at).sum(dim=1)
    assert slopes.abs().max() <= 1.0
    assert slopes.min() < -0.5
    assert slopes.max() > 0.5
    torch.testing.assert_close(lines.sum(dim=(1, 2)), torch.ones(60))
