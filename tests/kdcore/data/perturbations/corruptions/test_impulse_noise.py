import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness


@pytest.mark.parametrize(("severity", "share"), [(1, 0.01), (5, 0.07)])
def test_half_of_the_share_is_black_and_half_white_each_channel_for_itself(severity: int, share: float) -> None:
    batch = Clean(torch.full((400, 3, 16, 16), 0.3), randomness.mixed(torch.arange(400)))
    found = perturbations.get("impulse_noise").perturb(batch, severity).images
    black, white = (found == 0).float(), (found == 1).float()
    assert abs(black.mean() / (share / 2) - 1) < 0.06
    assert abs(white.mean() / (share / 2) - 1) < 0.06
    assert (found == 0.3).float().mean() + black.mean() + white.mean() == pytest.approx(1, abs=1e-6)
    together = (black[:, 0] * black[:, 1]).mean()  # as often as by chance
    assert together < 2 * (share / 2) ** 2 + 1e-4
