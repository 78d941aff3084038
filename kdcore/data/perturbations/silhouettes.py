"""Silhouettes: the object's pixels black on white, so that the outline alone is left."""

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import like
from kdcore.data.split import Split
from kdcore.errors import UserError


class Silhouettes(Perturbation):
    """From the dataset's own masks, which are exact. For images without masks there is `fcn_silhouettes`."""

    title = "Silhouettes"
    summary = "The object as a black area on white: the outline alone, without texture, colour or background."
    probes = "shape"
    parameter = "none (black on white)"
    strengths = (1,)
    usual = 1
    source = "Geirhos et al., ICLR 2019, https://arxiv.org/abs/1811.12231"
    needs = "masks of the objects, which `cues` has"

    def why_not(self, split: Split) -> str:
        return "" if "masks" in split.extras else "it needs masks of the objects, which of these datasets cues has"

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        if clean.masks is None:
            raise UserError("Silhouettes need the object's mask, and this image has none: choose an image of cues.")
        white = (~clean.masks)[:, None].to(clean.images.dtype)
        return Perturbed(like(white.expand(-1, 3, -1, -1), clean.images))
