"""Style transfer on Gram matrices: each image gets the texture of a photo, by gradient steps on pretrained features.

By VGG-19 as in the paper where its weights are on this machine, else by SqueezeNet 1.1: 4 s an image of
32 pixels on one core against 0.2 s. Images below 64 pixels are enlarged to 64 first and reduced again: at 128 the new
texture would be finer than the pixels of a 32 px image.
"""

from functools import cached_property

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, like, unit
from kdcore.data.perturbations.styles import fingerprint, gram, sizes, textures
from kdcore.data.split import Split
from kdcore.errors import shortened
from kdcore.models import torchvision_files
from kdcore.runtime import interruption

SMALLEST = "squeezenet1_1"  # 5 MB; VGG-19 has 550
SIDE = 64  # the least at which images are changed, in pixels


class GramStyle(Perturbation):
    """Textures are the photos in KD_DATA/textures, else drawn patterns; each image gets one, chosen by its pixels.

    Args:
        network: `vgg19` or `squeezenet1_1`; empty: the first that is on this machine.
    """

    title = "Stylised (Gram matrices)"
    summary = "Images with the texture of another surface, by style transfer: the texture is replaced, the shape stays."
    probes = "texture"
    parameter = "style weight (beside the content loss)"
    strengths = (0.3, 3, 30)
    usual = 3
    source = "Gatys et al., CVPR 2016, https://doi.org/10.1109/CVPR.2016.265"
    needs = "weights of VGG-19 (550 MB) or SqueezeNet 1.1 (5 MB) in `weights` of the data folder or in PyTorch's cache"
    cached = True

    def __init__(self, network: str = "") -> None:
        self.network = network or gram.available() or SMALLEST

    @property
    def settings(self) -> dict[str, float | str]:
        return {"network": self.network}

    @property
    def material(self) -> str:
        weights = torchvision_files.found(self.network)
        return fingerprint.of([*textures.files(), *([weights] if weights else [])])

    def why_not(self, split: Split) -> str:
        if self.network not in gram.NETWORKS:
            return f"there is no network {shortened(self.network)} for it; there are {', '.join(gram.NETWORKS)}"
        return torchvision_files.missing(self.network)

    def download(self) -> None:
        torchvision_files.download(self.network)

    @cached_property
    def features(self) -> gram.Features:
        """The network's features. Raises UserError."""
        return gram.features(self.network)

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, 1000, "The style weight")
        net, images = self.features.to(clean.images.device), clean.images.float()
        chosen = randomness.below(textures.count(), clean.keys, stream=1).tolist()
        found = []
        for image, number in zip(images.contiguous(), chosen, strict=True):  # alone, so that the batch decides nothing
            interruption.check()
            shown = sizes.enlarged(image[None], SIDE)[0]
            found.append(
                sizes.reduced(gram.transferred(net, shown, texture(number, shown), strength)[None], image[None])
            )
        return Perturbed(like(torch.cat(found), clean.images))


def texture(number: int, image: Tensor) -> Tensor:
    """A texture as a square with the shorter side of an image: [3, side, side] in [0, 1], on its device."""
    side, photos = min(image.shape[1:]), textures.files()
    pixels = textures.read(photos[number], side) if photos else textures.drawn(number, side)
    return unit(torch.from_numpy(pixels.copy()).to(image.device).permute(2, 0, 1))
