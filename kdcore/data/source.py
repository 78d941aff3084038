"""What a dataset gives, and what a split is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from torch import Tensor

Report = Callable[[str], None]


def quiet(text: str) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class Split:
    """A split's images, held as tensors.

    images: [n, 3, H, W], uint8, channels last in memory; on the training device where they fit, else in main memory, else
        mapped from a file.
    targets: [n], int64, on the training device; `NO_LABEL` where the label is withheld.
    extras: for `cues`, `textures` [n] int64 (a second label) and `masks` [n, H, W] bool (the object's visible pixels).
    truth: [n], the targets before any label was withheld or made wrong; None where none was.
    streamed: the images are not where the training is; batches of them are read ahead.
    """

    name: str
    classes: tuple[str, ...]
    images: Tensor
    targets: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)
    truth: Tensor | None = None
    streamed: bool = False

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


@dataclass(frozen=True)
class Images:
    """What was read.

    pixels: uint8 [m, size, size, 3].
    kept: [m] int, which of the images asked for they are: all but unreadable files.
    extras: as in `Split`, [m, ...].
    unreadable: the files left out, each with the reason, in the order asked for.
    on_disk: the pixels are a file that is mapped into memory.
    plain: the files among them that are one colour all over, in the order asked for.
    """

    pixels: np.ndarray
    kept: np.ndarray
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    on_disk: bool = False
    plain: tuple[str, ...] = ()


class Source(Protocol):
    """A dataset: pools of images from which the splits are chosen. `train` and `test` are always among the pools."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def pools(self) -> tuple[str, ...]: ...

    def targets(self, pool: str) -> np.ndarray:
        """[n] int64, without reading images where that is possible."""
        ...

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        """The images at `places`, resized to squares of `size` pixels."""
        ...

    def identity(self, pool: str, places: np.ndarray) -> bytes | None:
        """What decides the pixels at `places` besides their size; None where `read` must give all of them at once."""
        ...


class Progress:
    """Says how far it is, every few seconds at most, and nothing of what is done at once."""

    def __init__(self, what: str, total: int, report: Report, seconds: float = 2.0) -> None:
        self.what, self.total, self.report, self.seconds = what, total, report, seconds
        self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) - self.last >= self.seconds:
            self.last = now
            self.report(f"{self.what}: {done / self.total:.0%}")
