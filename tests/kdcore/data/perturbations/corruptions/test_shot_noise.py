import math

import numpy as np
import pytest
import scipy.stats
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness


@pytest.mark.parametrize(("severity", "photons"), [(1, 500), (5, 50)])
def test_counts_are_poisson(severity: int, photons: int) -> None:
    level = 20 / 255
    batch = Clean(torch.full((500, 3, 16, 16), level), randomness.mixed(torch.arange(500)))
    counts = perturbations.get("shot_noise").perturb(batch, severity).images * photons
    torch.testing.assert_close(counts, counts.round(), atol=1e-3, rtol=0)
    mean = photons * level
    assert abs(counts.mean() / mean - 1) < 0.005
    assert abs(counts.var() / mean - 1) < 0.02
    for number in (round(mean) - 2, round(mean), round(mean) + 3):
        expected = math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
        assert (counts.round() == number).float().mean().item() == pytest.approx(expected, abs=0.004)


def test_the_largest_random_number_gives_the_largest_count_of_the_level(monkeypatch) -> None:
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    monkeypatch.setattr(randomness, "pixel_uniform", lambda keys, images, stream: torch.full_like(images, largest))
    levels = torch.tensor([1, 100, 200, 254, 255.0])
    batch = Clean(levels.div(255)[:, None, None, None].expand(-1, 3, 4, 4).clone(), torch.arange(5))
    found = perturbations.get("shot_noise").perturb(batch, 1).images[:, 0, 0, 0]
    expected = scipy.stats.poisson.ppf(1 - 0.5 / 1024, 500 * levels.numpy() / 255) / 500  # the last of 1,024 quantiles
    torch.testing.assert_close(found, torch.from_numpy(expected.clip(max=1)).float())


def test_black_stays_black() -> None:
    batch = Clean(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]))
    assert not perturbations.get("shot_noise").perturb(batch, 5).images.any()
