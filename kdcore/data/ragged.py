"""Images of different sizes, one after another in a block of bytes; and parts of them, resized to squares."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

SHORT_SIDE = 8 / 7  # of the image size: 256 px for 224, the ratio in which ImageNet is usually stored
MOST_ASPECT = 2.0  # long side / short side: of a longer image the middle is stored


def short_side(size: int) -> int:
    """The pixels of the short side that are stored, of images that have them, for crops of `size` pixels."""
    return round(SHORT_SIDE * size)


def most_bytes(size: int) -> int:
    """What an image takes at most."""
    short = short_side(size)
    return 3 * short * int(MOST_ASPECT * short)


def shrunk(image: Image.Image, size: int) -> np.ndarray:
    """An image with its short side as stored for crops of `size` pixels, and its shape kept: uint8 [H, W, 3]. None is enlarged."""
    short, wide = short_side(size), image.width >= image.height
    side, length = min(image.size), min(max(image.size), int(MOST_ASPECT * min(image.size)))
    across, down = (length, side) if wide else (side, length)
    left, top = (image.width - across) / 2, (image.height - down) / 2
    scale = min(1.0, short / side)
    sides = max(1, round(across * scale)), max(1, round(down * scale))
    return np.asarray(image.resize(sides, Image.Resampling.BILINEAR, (left, top, left + across, top + down)))


@dataclass(frozen=True, eq=False)
class Ragged:
    """n images.

    block: uint8 [bytes], in main memory or mapped from disk.
    sizes: int64 [n, 2], the height and width of each.
    """

    block: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, images: list[np.ndarray]) -> "Ragged":
        sizes = np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)
        return cls(np.concatenate([np.empty(0, np.uint8), *(image.reshape(-1) for image in images)]), sizes)

    @cached_property
    def starts(self) -> np.ndarray:
        """The first byte of each image, and the end: int64 [n + 1]."""
        return np.concatenate([[0], np.cumsum(3 * self.sizes[:, 0] * self.sizes[:, 1])])

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, place: int) -> np.ndarray:
        """An image, uint8 [H, W, 3]."""
        height, width = self.sizes[place]
        return self.block[self.starts[place] : self.starts[place + 1]].reshape(height, width, 3)

    def cut(self, places: np.ndarray, windows: np.ndarray, side: int) -> np.ndarray:
        """A part of each of some images, resized to squares, bilinear and antialiased: uint8 [B, side, side, 3].

        Args:
            places: int64 [B].
            windows: int64 [B, 4], top, left, height and width, as `augment.windows.parts` draws them.
        """
        found = np.empty((len(places), side, side, 3), np.uint8)
        for into, place, (top, left, height, width) in zip(found, places.tolist(), windows.tolist(), strict=True):
            part = np.ascontiguousarray(self[place][top : top + height, left : left + width])
            into[:] = np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR))
        return found
