"""High-pass: only spatial frequencies above a cutoff stay, on mid-grey: edges and texture without areas of colour."""

import torch

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, finished

GREY = 0.5  # every image's mean, so that its colour says nothing about the class


class HighPass(Perturbation):
    """x' = clamp(x - low(x) + 1/2), where low(x) = IFFT(FFT(x) * [max(|fx|, |fy|) <= cutoff]) for each channel.

    Frequencies are in cycles per image, as for `low_pass`: the usual 4 removes the same content at every resolution.
    """

    title = "High-pass"
    summary = "Only edges and fine texture stay, on mid-grey: frequencies up to the cutoff are removed, and areas of colour with them."
    probes = "frequency"
    parameter = "cutoff (cycles per image)"
    strengths = (1, 2, 4, 6)
    usual = 4
    source = "Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988"
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, min(clean.images.shape[2:]) / 2, "The cutoff of high-pass (cycles per image)")
        images = clean.images.contiguous()
        low = resampling.low_pass(images, strength)
        return Perturbed(finished(torch.sub(images, low, out=low).add_(GREY), clean.images))
