"""Localized noise: Gaussian noise in a box, the rest of the image stays as it is."""

import math

import torch
from torch import Tensor

from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import check_between, finished
from kdcore.errors import UserError, shortened

POSITIONS = ("centre", "random")


class LocalizedNoise(Perturbation):
    """Settings:

    share: of the image's area that is in the box, whose sides are in the proportion of the image's.
    position: `centre`, where most objects are, or `random`: another place for each image.
    """

    title = "Noise in a box"
    summary = "Gaussian noise in a box that covers a part of the image, the rest stays: does the context suffice?"
    probes = "noise"
    parameter = "standard deviation (of pixels in [0, 1])"
    strengths = (0.1, 0.2, 0.3, 0.5)
    usual = 0.3
    source = (
        "the fifth reproduced project: a box of 76 x 76 of 224 x 224 pixels in the centre, which is 0.12 of the area"
    )

    def __init__(self, share: float = 0.2, position: str = "centre") -> None:
        check_between(float(share), 0, 1, "The share of the box with noise")
        if position not in POSITIONS:
            raise UserError(
                f"Unknown position {shortened(position)} of the box with noise. Known: {', '.join(POSITIONS)}."
            )
        self.share, self.position = float(share), position

    @property
    def settings(self) -> dict[str, float | str]:
        return {"share": self.share, "position": self.position}

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        check_between(strength, 0, 1, "The standard deviation of noise in a box")
        noise = randomness.pixel_noise(clean.keys, clean.images, stream=1).to(clean.images)
        down, across = (each.to(clean.images) for each in self._sides(clean))
        rows = (
            down[:, :, None] * across.repeat_interleave(3, dim=1)[:, None]
        )  # [m, H, W * 3], the usual layout in memory
        box = rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
        found = torch.addcmul(clean.images, noise, box, value=strength, out=noise)
        return Perturbed(finished(found, clean.images))

    def box(self, clean: Clean) -> Tensor:
        """Which pixels are in each image's box: bool [m, 1, H, W]."""
        down, across = self._sides(clean)
        return (down[:, :, None] & across[:, None, :])[:, None]

    def _sides(self, clean: Clean) -> tuple[Tensor, Tensor]:
        """Which rows, and which columns, are in each image's box: bool [m, H] and [m, W]."""
        (height, width), keys = clean.images.shape[2:], clean.keys
        return self._inside(keys, height, stream=2), self._inside(keys, width, stream=3)

    def _inside(self, keys: Tensor, side: int, stream: int) -> Tensor:
        """Which rows, or columns, are in the box: bool [m, side]."""
        length = round(side * math.sqrt(self.share))
        random = self.position == "random"
        first = (
            randomness.below(side - length + 1, keys, stream)
            if random
            else keys.new_full(keys.shape, (side - length) // 2)
        )
        places = torch.arange(side, device=keys.device) - first[:, None]
        return (places >= 0) & (places < length)
