import numpy as np
import pytest
from skimage.color import hsv2rgb, rgb2hsv

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(
    ("severity", "c"), [(1, (0.3, 0)), (2, (0.1, 0)), (3, (1.5, 0)), (4, (2, 0.1)), (5, (2.5, 0.2))]
)
def test_equals_the_published_arithmetic_by_scikit_image(severity: int, c: tuple[float, float]) -> None:
    batch = clean(split())
    found = perturbations.get("saturate").perturb(batch, severity).images
    for given, image in zip(batch.images, found, strict=True):
        x = rgb2hsv(given.permute(1, 2, 0).numpy())
        x[:, :, 1] = np.clip(x[:, :, 1] * c[0] + c[1], 0, 1)
        np.testing.assert_allclose(image.permute(1, 2, 0), hsv2rgb(x), atol=1e-5)
