"""Against the authors' loop over pixels, as in make_cifar_c.py, with the same random steps."""

import numpy as np
import pytest
import torch
from skimage.filters import gaussian

from kdcore.data import perturbations
from kdcore.data.perturbations import randomness
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.mark.parametrize(("severity", "sigma", "passes"), [(1, 0.05, 1), (3, 0.4, 1), (5, 0.4, 2)])
def test_equals_the_published_loop(severity: int, sigma: float, passes: int) -> None:
    batch = clean(split(n=4))
    found = perturbations.get("glass_blur").perturb(batch, severity).images
    steps = [randomness.uniform_field(batch.keys, (32, 32), stream).numpy() for stream in range(1, passes + 1)]
    for number in range(2):
        x = np.uint8(gaussian(batch.images[number].permute(1, 2, 0).numpy(), sigma=sigma, channel_axis=-1) * 255)
        for each in steps:
            for h in range(32 - 1, 1, -1):
                for w in range(32 - 1, 1, -1):
                    quarter = int(each[number, h, w] * 4)  # two numbers of -1 and 0
                    dy, dx = quarter // 2 - 1, quarter % 2 - 1
                    x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
        expected = np.clip(gaussian(x / 255.0, sigma=sigma, channel_axis=-1), 0, 1)
        near = np.isclose(found[number].permute(1, 2, 0).numpy(), expected, atol=1e-5)
        assert near.mean() > 0.995  # a value on the edge of two levels may be truncated to the lower
        np.testing.assert_allclose(found[number].permute(1, 2, 0), expected, atol=1.1 / 255)


def test_every_step_is_as_likely() -> None:
    steps = (randomness.uniform_field(randomness.mixed(torch.arange(50)), (32, 32), 1) * 4).int()
    assert torch.bincount(steps.flatten()).min() > 12_300  # of 51,200
