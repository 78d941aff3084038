"""Against the authors' `clipped_zoom` with scipy, as in make_cifar_c.py."""

import numpy as np
import pytest
from scipy.ndimage import zoom

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


def clipped_zoom(img: np.ndarray, factor: float) -> np.ndarray:
    h = img.shape[0]
    ch = int(np.ceil(h / factor))
    top = (h - ch) // 2
    img = zoom(img[top : top + ch, top : top + ch], (factor, factor, 1), order=1)
    trim = (img.shape[0] - h) // 2
    return img[trim : trim + h, trim : trim + h]


@pytest.mark.parametrize(("severity", "most", "side"), [(1, 1.06, 32), (3, 1.16, 32), (5, 1.26, 32), (2, 1.11, 33)])
def test_equals_the_published_arithmetic(severity: int, most: float, side: int) -> None:
    batch = clean(split(side, n=4))
    found = perturbations.get("zoom_blur").perturb(batch, severity).images
    factors = np.arange(1, most, 0.01)
    for given, image in zip(batch.images, found, strict=True):
        x = given.permute(1, 2, 0).numpy()
        expected = (x + sum(clipped_zoom(x, factor) for factor in factors)) / (len(factors) + 1)
        np.testing.assert_allclose(image.permute(1, 2, 0), np.clip(expected, 0, 1), atol=1e-5)
