import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean
from kdcore.errors import UserError
from tests.kdcore.data.perturbations.samples import clean, split

LOW = perturbations.get("low_pass")


def waves(cycles: int, side: int) -> torch.Tensor:
    wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * cycles * torch.arange(side) / side)
    return wave.expand(1, 3, side, side)


@pytest.mark.parametrize("side", [32, 33, 224])
def test_a_wave_up_to_the_cutoff_stays_and_one_above_is_gone(side: int) -> None:
    for cycles in (1, 6, 7, 12):
        images = waves(cycles, side)
        expected = images if cycles <= 6 else torch.full_like(images, 0.5)
        for turned in (False, True):
            given, wanted = (each.transpose(2, 3) if turned else each for each in (images, expected))
            found = LOW.perturb(Clean(given, torch.tensor([1])), 6).images
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_equals_the_discrete_fourier_transform_of_numpy() -> None:
    batch = clean(split(33))
    across = np.abs(np.fft.fftfreq(33, 1 / 33))
    kept = np.maximum(across[:, None], across[None, :]) <= 4
    expected = np.fft.ifft2(np.fft.fft2(batch.images.double().numpy()) * kept).real.clip(0, 1)
    np.testing.assert_allclose(LOW.perturb(batch, 4).images, expected, atol=1e-5)


def test_a_cutoff_beyond_the_highest_frequency_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"The cutoff of low-pass \(cycles per image\) is 17; it should be a number from 0 to 16"
    ):
        LOW.perturb(clean(split()), 17)
