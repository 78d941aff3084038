import numpy as np
import pytest
from PIL import Image

from kdcore.data import perturbations
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(
    ("severity", "factor", "side"),
    [(1, 0.95, 32), (2, 0.9, 32), (3, 0.85, 32), (4, 0.75, 32), (5, 0.65, 32), (5, 0.65, 33)],
)
def test_equals_pillow(severity: int, factor: float, side: int) -> None:
    given = split(side)
    found = (perturbations.get("pixelate").perturb(clean(given), severity).images * 255).round().byte()
    for before, image in zip(given.images, found, strict=True):
        small = Image.fromarray(before.permute(1, 2, 0).numpy()).resize((int(side * factor),) * 2, Image.Resampling.BOX)
        expected = np.asarray(small.resize((side, side), Image.Resampling.BOX))
        np.testing.assert_array_equal(image.permute(1, 2, 0), expected)
