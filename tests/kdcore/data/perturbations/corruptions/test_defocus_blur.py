"""Against the authors' `disk` and OpenCV's `filter2D`, as in make_cifar_c.py."""

import cv2
import numpy as np
import pytest

from kdcore.data import perturbations
from kdcore.data.perturbations.corruptions.defocus_blur import separated
from tests.kdcore.data.perturbations.samples import clean, split


def disk(radius: float, alias_blur: float) -> np.ndarray:
    places = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    across, down = np.meshgrid(places, places)
    hard = np.array(across**2 + down**2 <= radius**2, dtype=np.float32)
    return cv2.GaussianBlur(hard / hard.sum(), (3, 3) if radius <= 8 else (5, 5), sigmaX=alias_blur)


@pytest.mark.parametrize(
    ("severity", "side", "radius", "sigma"),
    [(1, 32, 0.3, 0.4), (2, 32, 0.4, 0.5), (3, 32, 0.5, 0.6), (4, 32, 1, 0.2), (5, 32, 1.5, 0.1), (5, 64, 3, 0.1)],
)
def test_equals_the_published_arithmetic(severity: int, side: int, radius: float, sigma: float) -> None:
    batch = clean(split(side))
    found = perturbations.get("defocus_blur").perturb(batch, severity).images
    kernel = disk(radius, sigma)
    for given, image in zip(batch.images, found, strict=True):
        planes = [cv2.filter2D(np.float64(plane), -1, kernel) for plane in given.numpy()]
        np.testing.assert_allclose(image, np.clip(planes, 0, 1), atol=1e-5)


def test_a_kernel_is_the_sum_of_its_parts() -> None:
    kernel = np.random.default_rng(0).random((5, 5))
    np.testing.assert_allclose(sum(np.outer(down, across) for down, across in separated(kernel)), kernel)
