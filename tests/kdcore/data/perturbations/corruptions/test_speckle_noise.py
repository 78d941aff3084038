import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.06), (5, 0.2)])
def test_the_standard_deviation_is_in_proportion_to_the_pixel(severity: int, deviation: float) -> None:
    keys = randomness.mixed(torch.arange(300))
    for value in (0.1, 0.5):
        batch = Clean(torch.full((300, 3, 16, 16), value), keys)
        noise = perturbations.get("speckle_noise").perturb(batch, severity).images - value
        assert abs(noise.std() / (deviation * value) - 1) < 0.01
