import io

import numpy as np
import pytest
from PIL import Image

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "quality"), [(1, 80), (2, 65), (3, 58), (4, 50), (5, 40)])
def test_equals_pillow(severity: int, quality: int) -> None:
    given = split()
    found = (perturbations.get("jpeg_compression").perturb(clean(given), severity).images * 255).round().byte()
    for before, image in zip(given.images, found, strict=True):
        file = io.BytesIO()
        Image.fromarray(before.permute(1, 2, 0).contiguous().numpy()).save(file, "JPEG", quality=quality)
        np.testing.assert_array_equal(image.permute(1, 2, 0), np.array(Image.open(file)))
