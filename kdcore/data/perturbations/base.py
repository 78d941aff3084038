"""What a perturbation declares and provides: from clean images in [0, 1] to perturbed ones, the same for the same image.

Randomness follows from each image's own key, so the same image gets the same pixels in any batch, order and split.

Some sets are not made from a split's pixels: those of Geirhos et al. are files, and the cue conflicts of `cues` are drawn.
Such a set declares `own_images` and gives them with `own`; all else is the same. Whoever evaluates takes the batches from
`own(data, split).split` instead of `split`, passes them through `perturb` (which leaves them as they are), takes textures from
`OwnSet.textures`, and reduces each network's log-probabilities with `OwnSet.decisions`. Their images are not those of the clean
split, so they are compared between networks, and not image by image with the clean ones.
"""

import inspect
import math
from collections.abc import Collection
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Literal

import torch
from torch import Tensor

from kdcore.data.split import Split
from kdcore.errors import UserError, shortened
from kdcore.plugins import Part, check_types
from kdcore.recipe import DataRecipe

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


@dataclass(frozen=True)
class OwnSet:
    """A set's own images, and how networks decide between the classes that both have.

    split: the images; `targets` are places in `classes`, the C classes that the set and the networks share. Of a cue conflict
        they are the shapes'.
    textures: [n], int64, places in `split.classes` as well; None where the images are no cue conflict.
    outputs: for each of the C classes the places of the networks' outputs that stand for it.
    """

    split: Split
    textures: Tensor | None
    outputs: tuple[tuple[int, ...], ...]

    def decisions(self, log_probabilities: Tensor) -> Tensor:
        """Log-probabilities of the C classes, from those of a network's own: [m, K] -> [m, C].

        Each class has the mean of its outputs' probabilities, as in Geirhos et al.; then they are scaled to sum to 1.
        """
        found = [log_probabilities[:, list(places)].logsumexp(dim=1) - math.log(len(places)) for places in self.outputs]
        return torch.stack(found, dim=1).log_softmax(dim=1)


class Perturbation(Part):
    """A test set made from any images. A subclass declares the attributes below and provides `perturb`.

    title: its name on a page.
    summary: one sentence about what it does and what it tests.
    probes: what it takes away, or sets against each other.
    parameter: what `strength` is, with its unit, such as `grid (tiles a side)`.
    strengths: the strengths that a full evaluation uses, from weak to strong.
    usual: the strength that a table with one column shows; one of `strengths`.
    source: the paper or code it follows.
    needs: what it needs besides images, as the object of "it needs"; empty for most.
    cached: whether it takes so long that its images are cached on disk.
    conflict: whether it sets the class's shape against another class's texture, so `perturb`, or `own`, gives `textures`.
    own_images: whether it has images of its own, which `own` gives, instead of perturbing those of a split.
    channels_first: whether it is faster on images with channels first in memory, as matrices along their axes are.
    at_levels: whether images at 8-bit levels are so when it has perturbed them, and need not be rounded.
    """

    part_kind = "test set"
    title: ClassVar[str]
    summary: ClassVar[str]
    probes: ClassVar[Probes]
    parameter: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]]
    usual: ClassVar[float]
    source: ClassVar[str]
    needs: ClassVar[str] = ""
    cached: ClassVar[bool] = False
    conflict: ClassVar[bool] = False
    own_images: ClassVar[bool] = False
    channels_first: ClassVar[bool] = False
    at_levels: ClassVar[bool] = False

    @classmethod
    def taken_names(cls) -> Collection[str]:
        from kdcore.data import perturbations

        return {"clean", *perturbations.HELPERS, *perturbations.own_names()}

    @classmethod
    def check_part(cls, module: ModuleType) -> None:
        """Refuse a set that does not declare what others need of it, or needs settings to be made. Raises UserError."""
        check_types(cls, Perturbation, cls.__name__)
        for field in ("title", "summary", "probes", "parameter", "strengths", "usual", "source"):
            if not getattr(cls, field, None):
                raise UserError(
                    f"{cls.__name__} has no `{field}`: declare it in the class (kdcore/data/perturbations/base.py)."
                )
        finite = all(map(math.isfinite, cls.strengths))
        if cls.usual not in cls.strengths or len(set(cls.strengths)) < len(cls.strengths) or not finite:
            raise UserError(
                f"{cls.__name__} has the strengths {shortened(cls.strengths)} and the usual one {cls.usual}: they should be finite "
                "and differ from each other, and `usual` be one of them."
            )
        if needed := [each for each in inspect.signature(cls).parameters.values() if each.default is each.empty]:
            raise UserError(f"The setting {needed[0].name!r} of {cls.__name__} has no default: give it one.")

    @property
    def settings(self) -> dict[str, float | str]:
        """Parameters besides the strength that it was made with, by their names in the constructor; most sets have none."""
        return {}

    @property
    def material(self) -> str:
        """A hash of the files besides the code that decide its images, such as weights and textures; most sets have none."""
        return ""

    def why_not(self, split: Split) -> str:
        """Why this set cannot be made from a split, such as `it needs masks`; empty where it can."""
        return ""

    def download(self) -> None:
        """Download the weights that it needs where they are not on this machine. Only called where whoever runs allows it.

        Raises:
            UserError: they could not be downloaded; with the remedy.
        """

    def own(self, data: DataRecipe, split: Split) -> OwnSet | None:
        """The images of a set that has its own, at the size, on the device and for the classes of a split; else None.

        Args:
            data: the recipe's data that `split` is of.

        Raises:
            UserError: they cannot be read, or have no classes in common with the split's; see `why_not`.
        """
        return None

    def prepare(self, split: Split) -> None:
        """Keep what `perturb` needs of the whole split, such as images of other classes. Most need nothing."""

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        """Perturb a batch at a strength, which may also lie between the listed ones where that has a meaning.

        The images are new ones, which the caller may change; those of `clean` stay as they are.

        Raises:
            UserError: the strength has no meaning, or a file that the set needs is not on this machine.
        """
        if self.own_images:
            return Perturbed(clean.images)
        raise NotImplementedError


def bounded(images: Tensor) -> Tensor:
    """Images in [0, 1] again."""
    return torch.clamp(images, 0.0, 1.0)
