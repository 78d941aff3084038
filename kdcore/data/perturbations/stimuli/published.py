"""The images of Geirhos et al. (ICLR 2019) in the data folder: read, with the classes that they share with a dataset.

    KD_DATA/cue-conflict/style-transfer/SHAPE/bird5-dog2.png     the shape of bird 5 with the texture of dog 2
    KD_DATA/cue-conflict/edges/CLASS/bird5.png                   its edges
    KD_DATA/cue-conflict/filled-silhouettes/CLASS/bird5.png      its silhouette

They are the folders `stimuli/style-transfer-preprocessed-512`, `edges` and `filled-silhouettes` of
https://github.com/rgeirhos/texture-vs-shape (CC BY 4.0), which may also keep their names. The names of the files count, those of
the folders within do not.
"""

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kdcore import paths
from kdcore.data.folders import checking, names
from kdcore.data.perturbations.base import OwnSet
from kdcore.data.perturbations.stimuli import entry_level
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.runtime import cores

FOLDERS = {
    "style-transfer": ("style-transfer", "style-transfer-preprocessed-512"),
    "edges": ("edges",),
    "filled-silhouettes": ("filled-silhouettes",),
}
NAMED = re.compile(r"([a-z]+)\d+(?:-([a-z]+)\d+)?\.png")
NEEDS = (
    "the folder `{}` of https://github.com/rgeirhos/texture-vs-shape (in `stimuli`, CC BY 4.0) in `cue-conflict` of the data "
    "folder; and data with two or more of its 16 classes, by their names or ImageNet's"
)
SOURCE = "Geirhos et al., ICLR 2019, https://arxiv.org/abs/1811.12231"


@dataclass(frozen=True)
class Stimulus:
    """A file with the entry-level classes of its shape and texture; `texture` is None for edges and silhouettes."""

    path: Path
    shape: str
    texture: str | None


def why_not(kind: str, classes: Sequence[str]) -> str:
    """Why a kind of these images cannot be used with a dataset's classes; empty where it can. Opens no image."""
    known = entry_level.places(classes)
    if len(known) < 2:
        return (
            f"it needs two or more of the classes {', '.join(entry_level.IMAGENET)}, by name; the data has {len(known)}"
        )
    if not (folder := _folder(kind)):
        return (
            f"its images are not in {_root()}: copy the folder {FOLDERS[kind][-1]} from `stimuli` of "
            "https://github.com/rgeirhos/texture-vs-shape there"
        )
    if not stimuli(kind, known):
        return f"{folder} has no images, named as in bird5-dog2.png, of the classes {', '.join(known)}"
    return ""


def stimuli(kind: str, known: Sequence[str] | dict[str, tuple[int, ...]]) -> list[Stimulus]:
    """The images between these entry-level classes, sorted by name. Of those with a texture only true conflicts."""
    folder = _folder(kind)
    files = sorted(folder.glob("*/*.png"), key=lambda path: path.name) if folder else []
    parts = [(path, NAMED.fullmatch(path.name)) for path in files]
    found = [Stimulus(path, match[1], match[2]) for path, match in parts if match]
    with_texture = kind == "style-transfer"
    return [
        each
        for each in found
        if each.shape in known
        and ((each.texture in known and each.texture != each.shape) if with_texture else each.texture is None)
    ]


def own(kind: str, split: Split) -> OwnSet:
    """The images at the size, on the device and for the classes of a split.

    Raises:
        UserError: there are none, or a file cannot be read.
    """
    if why := why_not(kind, split.classes):
        raise UserError(f"This test set cannot be used here: {why}.")
    known = entry_level.places(split.classes)
    entries, found = list(known), stimuli(kind, known)
    device = split.targets.device
    pixels = _read([each.path for each in found], split.images.shape[-1])
    textures = [entries.index(each.texture) for each in found if each.texture]
    return OwnSet(
        split=Split(
            name=kind,
            classes=tuple(_title(entry, known[entry], split.classes) for entry in entries),
            images=torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device),
            targets=torch.tensor([entries.index(each.shape) for each in found], device=device),
        ),
        textures=torch.tensor(textures, device=device) if textures else None,
        outputs=tuple(known.values()),
    )


def fingerprint(kind: str) -> str:
    """A hash of the files' names, sizes and modification times; empty where there are none."""
    folder = _folder(kind)
    files = sorted(folder.glob("*/*.png")) if folder else []
    stamps = [(path.name, (status := path.stat()).st_size, status.st_mtime_ns) for path in files]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16] if stamps else ""


def _title(entry: str, places: tuple[int, ...], classes: Sequence[str]) -> str:
    """A class's own name in the dataset where it alone stands for an entry-level class."""
    return classes[places[0]] if len(places) == 1 else entry


def _read(files: list[Path], side: int) -> np.ndarray:
    """uint8 [n, side, side, 3]. Raises UserError."""
    pixels = np.empty((len(files), side, side, 3), dtype=np.uint8)
    with ThreadPoolExecutor(min(8, cores.count())) as threads:
        problems = list(threads.map(checking.read_into, pixels, map(str, files)))
    for file, problem in zip(files, problems, strict=True):
        if problem and problem != checking.ONE_COLOUR:
            raise UserError(
                f"{names.text(str(file))} cannot be read ({problem}): copy it again from where it came, or delete it."
            )
    return pixels


def _root() -> Path:
    return paths.data_folder() / "cue-conflict"


def _folder(kind: str) -> Path | None:
    return next((found for name in FOLDERS[kind] if (found := _root() / name).is_dir()), None)
