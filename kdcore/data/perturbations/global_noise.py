"""Global noise: Gaussian noise on every pixel, far stronger than in the corruption `gaussian_noise`."""

import torch

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, finished


class GlobalNoise(Perturbation):
    """Noise for each pixel and channel, added to the image in [0, 1] and clamped."""

    title = "Noise everywhere"
    summary = "Gaussian noise on every pixel: fine texture is lost first, coarse shape last."
    probes = "noise"
    parameter = "standard deviation (of pixels in [0, 1])"
    strengths = (0.05, 0.1, 0.2, 0.3)
    usual = 0.1
    source = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, 1, "The standard deviation of noise everywhere")
        noise = randomness.pixel_noise(clean.keys, clean.images, stream=1).to(clean.images)
        return Perturbed(finished(torch.add(clean.images, noise, alpha=strength, out=noise), clean.images))
