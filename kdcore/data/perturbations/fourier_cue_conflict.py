"""Fourier cue conflict: the phase of one image, which carries its shape, with the amplitudes of one of another class."""

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, finished, unit
from kdcore.data.perturbations.planes import picked
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.tensors.outputs import NO_LABEL

TINY = 1e-10  # of spectra, where a black pixel's contribution is 0 and a white one's 1
PART = 1024  # images whose keys are computed at a time


class FourierCueConflict(Perturbation):
    """x' = clamp(IFFT(((1 - strength) |FFT(x)| + strength |FFT(y)|) exp(i phase(FFT(x))))), for each channel.

    y is an image of another class, drawn from the split by the image's key, so that it is the same in every batch and order. For an
    image without a label it is any image of the split.
    """

    title = "Fourier cue conflict"
    summary = (
        "The phase of an image, so its shape, with the amplitudes of an image of another class, so that one's texture."
    )
    probes = "cue conflict"
    parameter = "share of the other image's amplitudes"
    strengths = (0.5, 0.75, 1)
    usual = 1
    source = "Oppenheim & Lim, Proceedings of the IEEE 1981; Chen et al., ICCV 2021, https://arxiv.org/abs/2108.08487"
    conflict = True
    channels_first = True

    def __init__(self) -> None:
        self.split: Split | None = None

    def why_not(self, split: Split) -> str:
        labelled = split.targets[split.targets != NO_LABEL]
        return "" if len(labelled.unique()) > 1 else "it needs images of two or more classes"

    def prepare(self, split: Split) -> None:
        if self.split is split:
            return
        pixels, places = split.images.permute(0, 2, 3, 1), (split.targets != NO_LABEL).nonzero()[:, 0]
        parts = [
            randomness.keys(pixels[start : start + PART].permute(0, 3, 1, 2)).to(split.targets.device)
            for start in range(0, len(split), PART)
        ]
        by_key = places[torch.cat(parts)[places].argsort(stable=True)]
        self.order = by_key[split.targets[by_key].argsort(stable=True)]  # by class, then by key
        self.ordered = split.targets[self.order].contiguous()
        self.split = split

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, 1, "The share of the other image's amplitudes")
        others, textures = self.partners(clean)
        own, other = spectrum(clean.images), amplitude(spectrum(others))
        own.real.add_(TINY)  # no amplitude has the phase 0
        length = amplitude(own)
        factor = torch.lerp(length, other, strength, out=other).div_(length)
        return Perturbed(finished(torch.fft.irfft2(own.mul_(factor), s=clean.images.shape[2:]), clean.images), textures)

    def partners(self, clean: Clean) -> tuple[Tensor, Tensor]:
        """An image of another class for each, [m, 3, H, W] in [0, 1], and that class, [m]."""
        if self.split is None or clean.images.shape[2:] != self.split.images.shape[2:]:
            raise UserError(
                "A Fourier cue conflict needs images of other classes, of the same size, and was given none: choose a dataset, "
                "and make it from a split of it."
            )
        targets = clean.targets if clean.targets is not None else torch.full_like(clean.keys, NO_LABEL - 1)
        first = torch.searchsorted(self.ordered, targets.contiguous())
        count = torch.searchsorted(self.ordered, targets.contiguous(), right=True) - first
        drawn = randomness.below(len(self.ordered) - count, clean.keys, stream=1)
        places = self.order[torch.where(drawn < first, drawn, drawn + count)]
        others = picked(self.split.images, places, first=True).to(places.device)
        return unit(others, clean.images.dtype), self.split.targets[places]


def spectrum(images: Tensor) -> Tensor:
    """[m, 3, H, W] -> complex [m, 3, H, W // 2 + 1]."""
    return torch.fft.rfft2(images.contiguous().to(torch.promote_types(images.dtype, torch.float32)))


def amplitude(spectra: Tensor) -> Tensor:
    """The absolute values; twice as fast as `abs`, and no number here is so large or small that it matters."""
    squares = torch.view_as_real(spectra).square()
    return (squares[..., 0] + squares[..., 1]).sqrt_()
