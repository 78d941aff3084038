"""What a perturbation declares and provides: from clean images in [0, 1] to perturbed ones, the same for the same image.

Randomness follows from each image's own key, so the same image gets the same pixels in any batch, order and split.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from kdcore.data.split import Split

Probes = Literal["noise", "structure", "texture", "shape", "frequency", "cue conflict", "corruption"]


@dataclass(frozen=True)
class Clean:
    """A batch of images before they are perturbed.

    images: [m, 3, H, W], float in [0, 1], on the device.
    keys: [m], int64, of `randomness.keys`: a number for each image that decides its randomness.
    targets: [m], int64, the labels; None for images without labels, such as a visitor's photo.
    masks: [m, H, W], bool, the object's pixels; None where the dataset has none.
    """

    images: Tensor
    keys: Tensor
    targets: Tensor | None = None
    masks: Tensor | None = None


@dataclass(frozen=True)
class Perturbed:
    """A batch after it was perturbed.

    images: [m, 3, H, W], float in [0, 1].
    textures: [m], int64, for a cue conflict: the class whose texture the image has; `NO_LABEL` where it has no class's.
    """

    images: Tensor
    textures: Tensor | None = None


class Perturbation:
    """A test set made from any images. A subclass declares the attributes below and provides `perturb`.

    title: its name on a page.
    summary: one sentence about what it does and what it tests.
    probes: what it takes away, or sets against each other.
    parameter: what `strength` is, with its unit, such as `grid (tiles a side)`.
    strengths: the strengths that a full evaluation uses, from weak to strong.
    usual: the strength that a table with one column shows; one of `strengths`.
    source: the paper or code it follows.
    cached: whether it takes so long that its images are cached on disk.
    conflict: whether it sets the class's shape against another class's texture, so `perturb` gives `textures`.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    probes: ClassVar[Probes]
    parameter: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]]
    usual: ClassVar[float]
    source: ClassVar[str]
    cached: ClassVar[bool] = False
    conflict: ClassVar[bool] = False

    def why_not(self, split: Split) -> str:
        """Why this set cannot be made from a split, such as `it needs masks`; empty where it can."""
        return ""

    def prepare(self, split: Split) -> None:
        """Keep what `perturb` needs of the whole split, such as images of other classes. Most need nothing."""

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        """Perturb a batch at a strength, which may also lie between the listed ones where that has a meaning.

        Raises:
            UserError: the strength has no meaning, or a file that the set needs is not on this machine.
        """
        raise NotImplementedError


def bounded(images: Tensor) -> Tensor:
    """Images in [0, 1] again."""
    return torch.clamp(images, 0.0, 1.0)
