"""Frost: photos of frost, which the authors publish, over the image."""

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, finished
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.paths import data_folder

SHARES = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))  # of the image, and of the frost
FILES = (
    "frost1.png",
    "frost2.png",
    "frost3.png",
    "frost4.jpg",
    "frost5.jpg",
)  # the authors' code never draws the sixth
PUBLISHED = 0.2  # of the photos' size, over images of 32 pixels


class Frost(Perturbation):
    """The photos are not part of this project: the set is there where they are in `frost` in the data folder."""

    title = "Frost"
    summary = "A part of a photo of frost over the image."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    needs = "the authors' photos of frost in `frost` of the data folder"

    def why_not(self, split: Split) -> str:
        return missing()

    @property
    def material(self) -> str:
        paths = [data_folder() / "frost" / name for name in FILES]
        return "".join(hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in paths if path.is_file())

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        kept, share = at_severity(SHARES, strength, "frost")
        if reason := missing():
            raise UserError(f"Frost cannot be made: {reason}.")
        frost = self.frost(clean.keys, *clean.images.shape[2:])
        return Perturbed(finished(kept * clean.images + share * frost.to(clean.images), clean.images))

    def frost(self, keys: Tensor, height: int, width: int) -> Tensor:
        """For each key a part of one of the photos, [m, 3, H, W] in [0, 1]."""
        scale = PUBLISHED * min(height, width) / resampling.PUBLISHED_SIDE
        photos, sizes = (each.to(keys.device) for each in _photos(str(data_folder()), scale, height, width))
        which = randomness.below(len(photos), keys, stream=1)
        top = randomness.below(sizes[which, 0] - height, keys, stream=2)
        left = randomness.below(sizes[which, 1] - width, keys, stream=3)
        return photos.unfold(1, height, 1).unfold(2, width, 1)[which, top, left]


def missing() -> str:
    """Which files are not there, and where they are published; empty where all are."""
    folder = data_folder() / "frost"
    gone = [name for name in FILES if not (folder / name).is_file()]
    return (
        f"the authors' photos of frost are not in {folder} ({', '.join(gone)}; they are in ImageNet-C/create_c of "
        "https://github.com/hendrycks/robustness)"
        if gone
        else ""
    )


@lru_cache(maxsize=4)
def _photos(folder: str, scale: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The photos at a share of their size, but larger than the image, [5, H', W', 3] in [0, 1]; and the size of each, [5, 2].

    Raises UserError.
    """
    photos = [_photo(Path(folder) / "frost" / name, scale, height, width) for name in FILES]
    sizes = [photo.shape[:2] for photo in photos]
    found = torch.zeros(len(photos), *np.max(sizes, axis=0).tolist(), 3)
    for place, photo in zip(found, photos, strict=True):
        place[: photo.shape[0], : photo.shape[1]] = photo
    return found, torch.tensor(sizes)


def _photo(path: Path, scale: float, height: int, width: int) -> Tensor:
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise UserError(f"{path} cannot be read as a picture: put the authors' photo of frost there again.")
    scale = max(scale, (height + 1) / pixels.shape[0], (width + 1) / pixels.shape[1])
    smaller = cv2.resize(pixels, (0, 0), fx=scale, fy=scale)
    return torch.from_numpy(np.ascontiguousarray(smaller[..., ::-1])).float() / LEVELS
