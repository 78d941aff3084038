"""Low-pass: only spatial frequencies up to a cutoff stay, so that coarse shape stays and fine texture is lost."""

from kdcore.data.perturbations import resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, finished


class LowPass(Perturbation):
    """x' = clamp(IFFT(FFT(x) * [max(|fx|, |fy|) <= cutoff])), for each channel.

    Frequencies are in cycles per image, so a cutoff keeps the same content at every resolution: the usual 6 is 0.38 of the highest
    frequency (16 cycles) of an image of 32 pixels, and 0.05 of that (112) of one of 224 pixels.
    """

    title = "Low-pass"
    summary = "Only coarse structure stays: frequencies above the cutoff are removed, and fine texture with them."
    probes = "frequency"
    parameter = "cutoff (cycles per image)"
    strengths = (12, 8, 6, 4)
    usual = 6
    source = "Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988"
    channels_first = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, min(clean.images.shape[2:]) / 2, "The cutoff of low-pass (cycles per image)")
        return Perturbed(finished(resampling.low_pass(clean.images, strength), clean.images))
