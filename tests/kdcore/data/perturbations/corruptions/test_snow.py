"""Against the authors' arithmetic, as in make_cifar_c.py, with the same noise and the same angles."""

import cv2
import numpy as np
import pytest

from kdcore.data import perturbations
from kdcore.data.perturbations import randomness
from tests.kdcore.data.perturbations.corruptions.test_motion_blur import by_imagemagick
from tests.kdcore.data.perturbations.corruptions.test_zoom_blur import clipped_zoom
from tests.kdcore.data.perturbations.samples import clean, split

PUBLISHED = {
    1: (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    3: (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    5: (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
}


@pytest.mark.parametrize("severity", PUBLISHED)
def test_equals_the_published_arithmetic(severity: int) -> None:
    c, batch = PUBLISHED[severity], clean(split(n=4))
    found = perturbations.get("snow").perturb(batch, severity).images
    noise = randomness.normal(batch.keys, (1, 32, 32), 1).numpy()
    angles = (randomness.uniform(batch.keys, 1, 2)[:, 0] * 90 - 135).tolist()
    for given, image, each, angle in zip(batch.images, found, noise, angles, strict=True):
        layer = clipped_zoom((c[0] + c[1] * each[0])[..., np.newaxis], c[2])
        layer[layer < c[3]] = 0
        layer = (np.clip(layer, 0, 1) * 255).astype(np.uint8) / 255
        layer = by_imagemagick(layer, c[4], c[5], angle)
        x = given.permute(1, 2, 0).contiguous().numpy()
        grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).reshape(32, 32, 1)
        x = c[6] * x + (1 - c[6]) * np.maximum(x, grey * 1.5 + 0.5)
        expected = np.clip(x + layer + np.rot90(layer, k=2), 0, 1)
        np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=2e-3)  # a flake's level may differ by one
        assert np.isclose(image.permute(1, 2, 0), expected, atol=1e-4).mean() > 0.97
