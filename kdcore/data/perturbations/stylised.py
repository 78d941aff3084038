"""Stylised images: a fast style network redraws each image in the strokes and colours of a painting; its lines stay.

Images below 128 pixels are enlarged to 128, stylised and reduced again: at 32 pixels a stroke would be as wide as the
object.
"""

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, like
from kdcore.data.perturbations.styles import fingerprint, networks, sizes
from kdcore.data.split import Split
from kdcore.errors import UserError, shortened
from kdcore.runtime import interruption

SIDE = 128  # the least at which images are stylised, in pixels


class Stylised(Perturbation):
    """Each image gets one of the styles in the data folder, chosen by its pixels.

    Args:
        style: the name of the only style to use; empty: all.
    """

    title = "Stylised (fast style networks)"
    summary = "Images redrawn in a painting's strokes and colours: the texture is replaced, the shape stays."
    probes = "texture"
    parameter = "share of the stylised image (the rest is the original)"
    strengths = (0.5, 1)
    usual = 1
    source = "Johnson et al., ECCV 2016, https://arxiv.org/abs/1603.08155; as a test set: Geirhos et al., ICLR 2019"
    needs = (
        "style networks (.pth) of fast_neural_style in `style` of the data folder; the `_nc16` files have 1.7 MB each"
    )
    cached = True

    def __init__(self, style: str = "") -> None:
        self.style = style

    @property
    def settings(self) -> dict[str, float | str]:
        return {"style": self.style}

    @property
    def material(self) -> str:
        return fingerprint.of([networks.files()[name] for name in self._names()])

    def why_not(self, split: Split) -> str:
        if not (there := networks.files()):
            return (
                f"no style network is in {networks.folder()}: put .pth files of pytorch/examples (fast_neural_style) there, such as "
                "those of https://github.com/gnsmrky/pytorch-fast-neural-style-for-web"
            )
        return "" if self._names() else f"there is no style {shortened(self.style)}; there are {', '.join(there)}"

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, 1, "The share of the stylised image")
        if not (names := self._names()):
            raise UserError(f"{networks.folder()} has no style network {self.style or 'at all'}.")
        device, files = clean.images.device, networks.files()
        nets = [networks.read(files[name]).to(device) for name in names]
        chosen = randomness.below(len(nets), clean.keys, stream=1).tolist()
        images = clean.images.float().contiguous()
        found = []
        for style, image in zip(chosen, images, strict=True):
            interruption.check()
            found.append(stylised(nets[style], image[None]))
        return Perturbed(like(torch.lerp(images, torch.cat(found), strength), clean.images))

    def _names(self) -> list[str]:
        return [name for name in networks.files() if self.style in ("", name)]


@torch.no_grad()
def stylised(net: networks.StyleNetwork, images: Tensor) -> Tensor:
    """Images [m, 3, H, W] in [0, 1], stylised, at the same size."""
    found: Tensor = net(sizes.enlarged(images, SIDE))
    return sizes.reduced(found, images)
