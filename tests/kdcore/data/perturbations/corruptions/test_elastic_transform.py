"""Against the authors' arithmetic with OpenCV, scikit-image and scipy, as in make_cifar_c.py, with the same random numbers."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from skimage.filters import gaussian

from kdcore.data import perturbations
from kdcore.data.perturbations import randomness
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "c"), [(1, (0, 0, 0.08)), (2, (0.05, 0.2, 0.07)), (5, (0.1, 0.03, 0.03))])
@pytest.mark.parametrize("side", [32, 33])
def test_equals_the_published_arithmetic(severity: int, c: tuple[float, float, float], side: int) -> None:
    batch = clean(split(side, n=4))
    found = perturbations.get("elastic_transform").perturb(batch, severity).images
    corners = 2 * randomness.uniform(batch.keys, 6, 1).numpy().reshape(-1, 3, 2) - 1
    noise = 2 * randomness.uniform_field(batch.keys, (2, side, side), 2).numpy() - 1
    for given, image, moved, each in zip(batch.images, found, corners, noise, strict=True):
        x = given.permute(1, 2, 0).contiguous().numpy()
        centre, square = np.float32((side, side)) // 2, side // 3
        points = np.float32([centre + square, [centre[0] + square, centre[1] - square], centre - square])
        matrix = cv2.getAffineTransform(points, np.float32(points + c[2] * side * moved))
        x = cv2.warpAffine(x, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        dx, dy = (
            gaussian(field, c[1] * side, mode="reflect", truncate=3) * c[0] * side if c[0] else 0 * field
            for field in each
        )
        columns, rows, channels = np.meshgrid(np.arange(side), np.arange(side), np.arange(3))
        places = [rows + dy[..., None], columns + dx[..., None], channels]
        expected = map_coordinates(x, [place.ravel() for place in places], order=1, mode="reflect").reshape(x.shape)
        difference = np.abs(image.permute(1, 2, 0).numpy() - np.clip(expected, 0, 1))
        assert difference.max() < 0.02  # OpenCV samples at multiples of 1/32 pixel
        assert difference.mean() < 0.002
