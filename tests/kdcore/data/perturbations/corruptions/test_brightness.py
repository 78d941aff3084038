import numpy as np
import pytest
from skimage.color import hsv2rgb, rgb2hsv

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "added"), [(1, 0.05), (2, 0.1), (3, 0.15), (4, 0.2), (5, 0.3)])
def test_equals_the_published_arithmetic_by_scikit_image(severity: int, added: float) -> None:
    batch = clean(split())
    found = perturbations.get("brightness").perturb(batch, severity).images
    for given, image in zip(batch.images, found, strict=True):
        x = rgb2hsv(given.permute(1, 2, 0).numpy())
        x[:, :, 2] = np.clip(x[:, :, 2] + added, 0, 1)
        np.testing.assert_allclose(image.permute(1, 2, 0), hsv2rgb(x), atol=1e-5)
