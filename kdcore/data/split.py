"""A split: its images and targets as tensors."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from kdcore.data.ragged import Ragged


@dataclass(frozen=True)
class Split:
    """A split's images, held as tensors.

    images: [n, 3, H, W], uint8, channels last in memory; on the training device where they fit, else in main memory, else
        a memory-mapped file.
    targets: [n], int64, on the training device; `NO_LABEL` where the label is withheld.
    extras: for `cues`, `textures` [n] int64 (a second label) and `masks` [n, H, W] bool (the object's visible pixels).
    truth: [n], the right labels where some targets are withheld or wrong; None where none is.
    streamed: the images are not on the training device; their batches are prefetched.
    identity: what decides the images of a user's own files, without their pixels; empty for other images.
    whole: the same images with their shape kept, in main memory or a memory-mapped file, where resized crops are cut from them.
    """

    name: str
    classes: tuple[str, ...]
    images: Tensor
    targets: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)
    truth: Tensor | None = None
    streamed: bool = False
    whole: Ragged | None = None
    identity: str = ""

    def with_every_label(self) -> "Split":
        """The same images, each with its right label."""
        return self if self.truth is None else replace(self, targets=self.truth, truth=None)

    def at(self, places: Tensor) -> "Split":
        """The images at some places [m] and their targets, in this order, on the training device."""
        device = self.targets.device
        images = self.images[places.to(self.images.device)].to(device)
        return Split(self.name, self.classes, images, self.targets[places.to(device)])

    def __len__(self) -> int:
        return len(self.targets)
