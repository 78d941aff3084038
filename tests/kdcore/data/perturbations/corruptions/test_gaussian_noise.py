import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.04), (5, 0.10)])
def test_the_standard_deviation(severity: int, deviation: float) -> None:
    batch = Clean(torch.full((300, 3, 16, 16), 0.5), randomness.mixed(torch.arange(300)))
    noise = perturbations.get("gaussian_noise").perturb(batch, severity).images - 0.5
    assert abs(noise.std() / deviation - 1) < 0.01
    assert abs(noise.mean()) < 0.001
