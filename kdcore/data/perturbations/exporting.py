"""Exports perturbed images: a zip of PNG files with a manifest, written image by image.

fog@3/00012-cat.png                           image 12 of the split, of the class cat
fourier_cue_conflict@1/00012-cat-dog.png      likewise, with the texture of a dog
manifest.json                                 what made them; and for each file its index, label and texture
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import making
from kdcore.data.perturbations.base import Perturbation, Perturbed
from kdcore.data.perturbations.pixels import levels
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.files import atomic
from kdcore.recipe import DataRecipe
from kdcore.runtime import versions

FORMAT = 1  # of the manifest
CLEAN = "clean"
MOST_GB = 2.0
DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file

Condition = tuple[str, float]  # a set's name and a strength; `clean` with any strength is the split as it is
Progress = Callable[[int, int], None]  # images written so far, and in all


def _silent(done: int, total: int) -> None:
    pass


def write_zip(
    path: Path,
    data: DataRecipe,
    split: Split,
    conditions: Iterable[Condition],
    *,
    most_gb: float = MOST_GB,
    report: Progress = _silent,
) -> dict[str, Any]:
    """Write the images of a split under each condition, in 8-bit PNG files that hold exactly what networks get.

    Args:
        data: the recipe's data that `split` is of.
        most_gb: the largest file that is written.
        report: called after each batch.

    Returns:
        The manifest.

    Raises:
        UserError: a set that is unknown or cannot be made, a strength without a meaning, or a file that would be larger; no file is
            left then.
    """
    try:
        with atomic.replacing(path, durable=False) as temporary, temporary.open("wb") as file:
            return write_into(file, data, split, conditions, most_gb=most_gb, report=report)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error}. Choose a folder with enough space.") from error


def write_into(
    file: IO[bytes],
    data: DataRecipe,
    split: Split,
    conditions: Iterable[Condition],
    *,
    most_gb: float = MOST_GB,
    report: Progress = _silent,
) -> dict[str, Any]:
    """As `write_zip`, into an open file, also one in memory. Raises OSError where it cannot be written."""
    chosen = [(name, float(strength)) for name, strength in conditions]
    about: dict[str, Any] = {
        "format": FORMAT,
        "made_by": versions.versions() | versions.revision(),
        "dataset": data.name,
        "split": split.name,
        "image_size": split.images.shape[-1],
        "seed": data.seed,
        "test_seed": data.test_seed,
        "classes": list(split.classes),
        "sets": [],
    }
    done, total = 0, len(split) * len(chosen)  # about: a set with images of its own has another number
    with zipfile.ZipFile(file, "w") as archive:
        for name, strength in chosen:
            written = {**_described(name, strength), "images": []}
            about["sets"].append(written)
            for member, content, entry in _files(data, split, name, strength):
                archive.writestr(zipfile.ZipInfo(member, DATE), content)
                written["images"].append(entry)
                done += 1
                if done % making.BATCH == 0:
                    report(done, max(done, total))
                    _check_size(archive, most_gb, done, total)
        archive.writestr(zipfile.ZipInfo("manifest.json", DATE), json.dumps(about, indent=1))
        _check_size(archive, most_gb, done, total)
    report(done, done)
    return about


def _described(name: str, strength: float) -> dict[str, Any]:
    if name == CLEAN:
        return {"set": CLEAN}
    perturbation = perturbations.get(name)
    return {
        "set": name,
        "strength": strength,
        "parameter": perturbation.parameter,
        "settings": perturbation.settings,
        "title": perturbation.title,
        "source": perturbation.source,
        "code": making.code_version(perturbation),
    }


def _files(data: DataRecipe, split: Split, name: str, strength: float) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Each image's file name, content and line in the manifest."""
    folder = CLEAN if name == CLEAN else f"{name}@{strength:g}"
    if name == CLEAN:
        source, textures, batches = split, None, _clean(split)
    else:
        source, textures, batches = _perturbed(data, split, perturbations.get(name), strength)
    digits = max(5, len(str(len(source) - 1)))
    for places, batch in batches:
        found = batch.textures if textures is None else textures[places.to(textures.device)]
        labels = [source.targets[places.to(source.targets.device)].tolist()]
        labels += [found.tolist()] if found is not None else []
        pixels = levels(batch.images).permute(0, 2, 3, 1).cpu().numpy()
        for index, image, *own in zip(places.tolist(), pixels, *labels, strict=True):
            names = [_class_name(source, label) for label in own]
            file = "-".join([f"{folder}/{index:0{digits}}", *(_safe(each) for each in names if each is not None)])
            entry = {"file": f"{file}.png", "index": index, "label": names[0]}
            yield f"{file}.png", _png(image), entry | ({"texture": names[1]} if len(names) > 1 else {})


def _perturbed(
    data: DataRecipe, split: Split, perturbation: Perturbation, strength: float
) -> tuple[Split, torch.Tensor | None, Iterator[tuple[torch.Tensor, Perturbed]]]:
    """The images that a set is made from, the textures of a set with its own images, and the batches."""
    if reason := perturbation.why_not(split):
        raise UserError(f"{perturbation.title} cannot be made from these {split.name} images: {reason}.")
    own = perturbation.own(data, split)
    source = split if own is None else own.split
    batches = making.batches(source, perturbation, strength) if own is None else _clean(source)
    return source, None if own is None else own.textures, batches


def _clean(split: Split) -> Iterator[tuple[torch.Tensor, Perturbed]]:
    for start in range(0, len(split), making.BATCH):
        places = torch.arange(start, min(start + making.BATCH, len(split)))
        yield places, Perturbed(making.clean(split, places).images)


def _png(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] as a PNG file."""
    done, content = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    assert done
    return content.tobytes()


def _class_name(split: Split, label: int) -> str | None:
    return split.classes[label] if 0 <= label < len(split.classes) else None


def _safe(name: str) -> str:
    """A class's name as part of a file name on every system."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:60].strip("_") or "class"


def _check_size(archive: zipfile.ZipFile, most_gb: float, done: int, total: int) -> None:
    assert archive.fp is not None
    taken = archive.fp.tell() / 1e9
    if taken > most_gb:
        raise UserError(
            f"The export is larger than {most_gb:g} GB after {done:,} of {total:,} images: choose fewer images or fewer sets, or a "
            "higher limit."
        )
