"""Views: which augmentations the images of a recipe get, the random numbers of each view, and how they are applied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcore.data.augment import basic, operations, windows
from kdcore.recipe.data import DataRecipe, RandAugment, ResizedCrop

# random streams, apart from that of the basic augmentations, which has none of these at its end
WINDOWS, OPERATIONS, PATCHES = 11, 12, 13


@dataclass(frozen=True)
class Drawn:
    """The random numbers of n views, on the CPU; None for what a recipe does not use.

    basic: [n, 7], see `basic`. windows: int64 [n, 4], the part of each image that is resized. operations: int64 [n, k], see
    `operations`. patches: int64 [n, 4], what is erased; an empty one where nothing is. colours: [n, 3] of the patches.
    """

    basic: Tensor
    windows: Tensor | None = None
    operations: Tensor | None = None
    patches: Tensor | None = None
    colours: Tensor | None = None

    def at(self, rows: Tensor) -> "Drawn":
        """Those of some of the views."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items() if value is not None})


@dataclass(frozen=True)
class Augmentation:
    """What is done to each image, in this order: resized_crop, crop, flip, rand_augment, jitter, rotation, erasing.

    names: of flip, crop, jitter, rotation, in any order. The others are as in `recipe.DataRecipe`.
    """

    names: tuple[str, ...] = ()
    resized_crop: ResizedCrop | None = None
    rand_augment: RandAugment | None = None
    erasing: float = 0.0

    @classmethod
    def of(cls, data: DataRecipe) -> "Augmentation":
        return cls(data.augment, data.resized_crop, data.rand_augment, data.erasing)

    def described(self) -> dict[str, Any]:
        """All that decides a view besides its random numbers, as plain data."""
        found: dict[str, Any] = dict(basic.described(self.names))
        if self.resized_crop:
            found["resized_crop"] = self.resized_crop.model_dump(mode="json")
        if self.rand_augment:
            found["rand_augment"] = self.rand_augment.model_dump(mode="json")
        if self.erasing:
            found["erasing"] = {"probability": self.erasing, "scale": windows.ERASED, "ratio": windows.ERASED_RATIO}
        return found

    def draw(self, images: int, side: tuple[int, int], seed: Sequence[int], sizes: Tensor | None = None) -> Drawn:
        """The random numbers of a view of each of some images of `side` (height, width).

        Args:
            sizes: height and width of each image that a resized crop is cut from, int64 [images, 2]; None: those of all.
        """
        cropped = self.resized_crop
        patches, colours = None, None
        if self.erasing:
            patches, colours = windows.patches(images, side, self.erasing, generator(*seed, PATCHES))
        return Drawn(
            basic.random_numbers(images, generator(*seed)),
            windows.parts(
                images, side if sizes is None else sizes, cropped.scale, cropped.ratio, generator(*seed, WINDOWS)
            )
            if cropped
            else None,
            operations.draw(images, self.rand_augment.operations, generator(*seed, OPERATIONS))
            if self.rand_augment
            else None,
            patches,
            colours,
        )

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """The views of a batch.

        Args:
            images: uint8 [B, H, W, 3]; may be changed in place.
            drawn: for B images of this size.

        Returns:
            float [B, 3, H, W] in [0, 1], channels last.
        """
        if drawn.windows is not None:
            images = windows.resized(images, drawn.windows)
        images = basic.moved(images, self.names, drawn.basic)
        if self.rand_augment and drawn.operations is not None:
            images = operations.applied(images, drawn.operations, self.rand_augment.magnitude)
        pixels = images.permute(0, 3, 1, 2).float().div_(255)  # channels last: the memory layout is NHWC
        pixels = basic.coloured(pixels, self.names, drawn.basic)
        if drawn.patches is not None and drawn.colours is not None:
            pixels = windows.erased(pixels, drawn.patches, drawn.colours)
        return pixels


def generator(*seed: int) -> torch.Generator:
    """A random stream of its own for every seed, given as whole numbers."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
