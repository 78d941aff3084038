"""Makes a split's perturbed images in batches: the one way in which evaluations, previews and exports get them.

Pixels are rounded to 8 bits, so that the images that networks get are those that an export has, also from the cache.
"""

import hashlib
import inspect
import math
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from kdcore import plugins
from kdcore.data.perturbations import randomness
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.image_cache import ImageCache, Made
from kdcore.data.perturbations.pixels import levels, like, rounded_, unit
from kdcore.data.perturbations.planes import Places, in_a_row, picked, version
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.runtime import interruption

BATCH = 256
TOGETHER = 1 << 19  # pixels that are made at once: two batches of images of 32 pixels, as each start costs time
LIBRARIES = ("torch", "numpy", "pillow", "opencv-python", "opencv-python-headless", "scikit-image")
PACKAGE = "kdcore.data.perturbations"
_known: WeakIdKeyDictionary = WeakIdKeyDictionary()  # by a split's images: their version, and their keys so far


def batches(
    split: Split, perturbation: Perturbation, strength: float, size: int = BATCH
) -> Iterator[tuple[Tensor, Perturbed]]:
    """The images of a split in its order, perturbed: the places [m] of each batch, int64 on the CPU, and the batch.

    Images are float32 in [0, 1], on the device of the split's targets. Those of a `cached` set are read from disk
    as far as they have been made before. Interruption is checked between batches.

    Args:
        size: images of a batch.

    Raises:
        UserError: the set cannot be made from this split, or the strength has no meaning.
    """
    if reason := perturbation.why_not(split):
        raise UserError(f"{perturbation.title} cannot be made from these {split.name} images: {reason}.")
    with torch.inference_mode(mode=False):
        perturbation.prepare(split)
    kept = cache_of(split, perturbation, strength) if perturbation.cached else None
    at_once = TOGETHER // (size * math.prod(split.images.shape[2:])) if kept is None else 1
    together = size * max(1, at_once)
    for start in range(0, len(split), together):
        interruption.check()
        places = torch.arange(start, min(start + together, len(split)))
        if kept is None:
            yield from _parts(places, made(split, perturbation, strength, places), size)
        else:
            yield places, _from_cache(kept, split, perturbation, strength, places)


def _parts(places: Tensor, found: Perturbed, size: int) -> Iterator[tuple[Tensor, Perturbed]]:
    """Images that were made together, in batches."""
    for start in range(0, len(places), size):
        part = slice(start, start + size)
        yield places[part], Perturbed(found.images[part], None if found.textures is None else found.textures[part])


@torch.inference_mode(mode=False)
def clean(split: Split, places: Tensor, *, channels_first: bool = False) -> Clean:
    """The images at some places [m] before they are perturbed, on the device of the split's targets."""
    device = split.targets.device
    chosen = in_a_row(places)
    here = chosen if isinstance(chosen, slice) else chosen.to(device)
    pixels = picked(split.images, chosen, first=channels_first).to(device)
    masks = split.extras.get("masks")
    return Clean(
        images=unit(pixels),
        keys=_keys(split, pixels, chosen),
        targets=split.targets[here].clone(),
        masks=None if masks is None else masks[here].clone(),
    )


def _keys(split: Split, pixels: Tensor, places: Places) -> Tensor:
    """The keys of the images at some places, whose pixels are given; computed once for a split, until torch changes its images."""
    if split.images not in _known or _known[split.images][0] != version(split.images):
        unknown = (torch.zeros(len(split), dtype=torch.int64), torch.zeros(len(split), dtype=torch.bool))
        _known[split.images] = (version(split.images), *unknown)
    _, keys, known = _known[split.images]
    if not known[places].all():
        keys[places] = randomness.keys(pixels).cpu()
        known[places] = True
    return keys[places].to(pixels.device)


def made(split: Split, perturbation: Perturbation, strength: float, places: Tensor) -> Perturbed:
    """The images at some places [m], perturbed by a set that has been prepared for the split, at 8-bit levels.

    They are computed in full precision without a graph, whatever the caller does to its networks; also in inference mode they are
    ordinary tensors, as are those that are kept for later batches.
    """
    with torch.inference_mode(mode=False), torch.no_grad(), torch.autocast(split.targets.device.type, enabled=False):
        batch = clean(split, places, channels_first=perturbation.channels_first)
        found = perturbation.perturb(batch, strength)
        images = like(found.images, batch.images)
        return Perturbed(images if perturbation.at_levels else rounded_(images), found.textures)


def cache_of(split: Split, perturbation: Perturbation, strength: float) -> ImageCache:
    """The file with a set's images of a split. Its name follows from what makes the set, the strength and the images."""
    parts = (code_version(perturbation), _libraries(), float(strength), identity(split))
    return ImageCache(hashlib.sha256(repr(parts).encode()).hexdigest()[:20], *split.images.shape[2:])


def identity(split: Split) -> str:
    """A hash of a split's images, labels and masks, in their order."""
    digest = hashlib.blake2b(repr((split.classes, split.images.shape)).encode(), digest_size=16)
    pixels = split.images.permute(0, 2, 3, 1)
    for start in range(0, len(split), 4096):  # a streamed split does not fit memory
        digest.update(pixels[start : start + 4096].contiguous().cpu().numpy().data)
    for each in (split.targets, split.extras.get("masks")):
        if each is not None:
            digest.update(each.contiguous().cpu().numpy().data)
    return digest.hexdigest()


def code_version(perturbation: Perturbation) -> str:
    """A hash of what makes a set's images: its name, its file, the files of this package that it uses, its settings and its
    material. Sets of one package use the same files, so these alone do not tell them apart."""
    kind = type(perturbation)
    parts = (kind.__module__, kind.__qualname__, sorted(perturbation.settings.items()), perturbation.material)
    return hashlib.sha256(repr((_code_version(kind.__module__), *parts)).encode()).hexdigest()[:16]


@cache
def _libraries() -> tuple[str, ...]:
    """The versions of the libraries that make pixels: another one may make others."""
    found = (f"{each.name} {each.version}" for each in metadata.distributions() if each.name.lower() in LIBRARIES)
    return tuple(sorted(found))


@cache
def _code_version(name: str) -> str:
    files: dict[str, bytes] = {}
    _collect(sys.modules[name], files)
    own = plugins.checksum(Perturbation.part_kind, name.rpartition(".")[2])  # with the helpers of its package
    files[""] = own.encode()
    return hashlib.sha256(b"".join(content for _, content in sorted(files.items()))).hexdigest()[:16]


def _collect(module: ModuleType, files: dict[str, bytes]) -> None:
    """The files of a module and of the modules of this package that its names come from."""
    files[module.__name__] = Path(str(module.__file__)).read_bytes()
    for value in list(vars(module).values()):
        name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith(PACKAGE + ".") and name not in files and name in sys.modules:
            _collect(sys.modules[name], files)


def _from_cache(
    kept: ImageCache, split: Split, perturbation: Perturbation, strength: float, places: Tensor
) -> Perturbed:
    def make(start: int, stop: int) -> Made:
        found = made(split, perturbation, strength, torch.arange(start, stop))
        pixels = levels(found.images).permute(0, 2, 3, 1).cpu().numpy()
        return pixels, None if found.textures is None else found.textures.cpu().numpy().astype(np.int64)

    device = split.targets.device
    pixels, textures = kept.images(int(places[0]), int(places[-1]) + 1, make)
    images = unit(torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2))
    return Perturbed(images, None if textures is None else torch.from_numpy(textures).to(device))
