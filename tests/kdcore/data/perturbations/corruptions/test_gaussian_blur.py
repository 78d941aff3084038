import numpy as np
import pytest
from skimage.filters import gaussian

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "side", "sigma"), [(1, 32, 0.4), (3, 32, 0.7), (5, 32, 1), (5, 64, 2)])
def test_equals_scikit_image_with_the_published_sigma_scaled_with_the_side(
    severity: int, side: int, sigma: float
) -> None:
    batch = clean(split(side))
    found = perturbations.get("gaussian_blur").perturb(batch, severity).images
    for given, image in zip(batch.images, found, strict=True):
        expected = gaussian(given.permute(1, 2, 0).numpy(), sigma=sigma, channel_axis=-1)
        np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=1e-5)
