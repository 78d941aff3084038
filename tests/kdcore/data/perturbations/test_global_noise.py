import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness


def test_the_standard_deviation_is_the_strength_for_every_pixel_and_channel() -> None:
    keys = randomness.mixed(torch.arange(400))
    grey = torch.full((400, 3, 16, 16), 0.5)
    noise = perturbations.get("global_noise").perturb(Clean(grey, keys), 0.1).images - 0.5
    assert abs(noise.std() - 0.1) < 0.001
    assert abs(noise.mean()) < 0.001
    assert (noise.std(dim=0) > 0.08).all()
    channels = torch.corrcoef(noise.transpose(0, 1).flatten(1))
    assert (channels - torch.eye(3)).abs().max() < 0.02


def test_none_at_strength_0() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(perturbations.get("global_noise").perturb(Clean(image, torch.tensor([5])), 0).images, image)
