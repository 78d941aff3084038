"""Against the authors' arithmetic with OpenCV and scikit-image, as in make_cifar_c.py, with the same noise."""

import cv2
import numpy as np
import pytest
from skimage.filters import gaussian

from kdcore.data import perturbations
from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.corruptions.spatter import water
from tests.kdcore.data.perturbations.samples import clean, split

PUBLISHED = {1: (0.62, 0.1, 0.7, 0.7, 0.5, 0), 3: (0.65, 0.3, 1, 0.69, 0.5, 0), 4: (0.65, 0.1, 0.7, 0.69, 0.6, 1)}


@pytest.mark.parametrize("severity", PUBLISHED)
def test_equals_the_published_arithmetic(severity: int) -> None:
    c, batch = PUBLISHED[severity], clean(split(n=4))
    found = perturbations.get("spatter").perturb(batch, severity).images
    noise = randomness.normal(batch.keys, (32, 32), 1).numpy()
    for given, image, each in zip(batch.images, found, noise, strict=True):
        x = given.permute(1, 2, 0).contiguous().numpy()
        layer = gaussian(c[0] + c[1] * each, sigma=c[2])
        layer[layer < c[3]] = 0
        expected = with_mud(x, layer, c) if c[5] else with_water(x, layer, c)
        near = np.isclose(image.permute(1, 2, 0).numpy(), expected, atol=1e-3)
        assert near.mean() > 0.98  # a value at a threshold may fall on the other side of it


def with_water(x: np.ndarray, layer: np.ndarray, c: tuple[float, ...]) -> np.ndarray:
    layer = (layer * 255).astype(np.uint8)
    dist = 255 - cv2.Canny(layer, 50, 150)
    dist = cv2.distanceTransform(dist, cv2.DIST_L2, 5)
    _, dist = cv2.threshold(dist, 20, 20, cv2.THRESH_TRUNC)
    dist = cv2.equalizeHist(cv2.blur(dist, (3, 3)).astype(np.uint8))
    dist = cv2.filter2D(dist, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    dist = cv2.blur(dist, (3, 3)).astype(np.float32)
    m = cv2.cvtColor(layer * dist, cv2.COLOR_GRAY2BGRA)
    m /= np.max(m, axis=(0, 1))
    m *= c[4]
    colour = np.concatenate([value / 255.0 * np.ones_like(m[..., :1]) for value in (175, 238, 238)], axis=2)
    colour = cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA)
    x = cv2.cvtColor(x, cv2.COLOR_BGR2BGRA)
    return cv2.cvtColor(np.clip(x + m * colour, 0, 1), cv2.COLOR_BGRA2BGR)


def with_mud(x: np.ndarray, layer: np.ndarray, c: tuple[float, ...]) -> np.ndarray:
    m = gaussian(np.where(layer > c[3], 1, 0).astype(np.float32), sigma=c[4])
    m[m < 0.8] = 0
    colour = np.concatenate([value / 255.0 * np.ones_like(x[..., :1]) for value in (63, 42, 20)], axis=2)
    return np.clip(x * (1 - m[..., np.newaxis]) + colour * m[..., np.newaxis], 0, 1)


def test_without_a_drop_there_is_no_water() -> None:
    assert not water(np.zeros((32, 32), dtype=np.float32)).any()
