"""Textures for style transfer: photos in KD_DATA/textures, or patterns that are drawn where there are none."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from kdcore import paths, photos
from kdcore.data import drawing
from kdcore.data.folders import checking
from kdcore.errors import UserError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
PERIODS = 7.0  # of a drawn pattern across the image
SEED = 13  # of drawn patterns


def files() -> list[Path]:
    """The texture photos in the data folder, sorted by name."""
    folder = paths.data_folder() / "textures"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.suffix.lower() in SUFFIXES]


def read(file: Path, side: int) -> np.ndarray:
    """The central square of a photo: uint8 [side, side, 3]. Raises UserError where it cannot be read."""
    try:
        return checking.decoded(file, side)
    except (OSError, photos.Unusable) as error:
        raise UserError(f"The texture {file} cannot be read: {error} Replace or delete it.") from None


@lru_cache(maxsize=32)
def drawn(number: int, side: int) -> np.ndarray:
    """A pattern of `cues` over the whole image, in two of its colours: uint8 [side, side, 3]."""
    random = np.random.default_rng((SEED, number))
    places = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(PERIODS / side)
    angle = random.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = places[None] * cos + places[:, None] * sin, places[:, None] * cos - places[None] * sin
    pattern = list(drawing.TEXTURES.values())[number % len(drawing.TEXTURES)](u, v, side / PERIODS, random)
    _, _, inks = drawing.PALETTES[number % len(drawing.PALETTES)]
    first, second = (np.array(list(bytes.fromhex(ink)), dtype=np.float32) for ink in inks[0])
    return np.rint(first + pattern[..., None] * (second - first)).astype(np.uint8)


def count() -> int:
    """How many textures there are."""
    return len(files()) or len(drawing.TEXTURES)
