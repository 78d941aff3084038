import numpy as np
import pytest

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "factor"), [(1, 0.75), (2, 0.5), (3, 0.4), (4, 0.3), (5, 0.15)])
def test_equals_the_published_arithmetic(severity: int, factor: float) -> None:
    batch = clean(split())
    found = perturbations.get("contrast").perturb(batch, severity).images
    x = batch.images.double().numpy()
    means = x.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(found, np.clip((x - means) * factor + means, 0, 1), atol=1e-6)
