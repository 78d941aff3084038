"""The key of a cache entry: everything that determines the teacher's outputs. If any of it differs, so does the entry."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from kdcore import plugins
from kdcore.data.augment import Augmentation
from kdcore.data.split import Split
from kdcore.models.teacher import Teacher
from kdcore.recipe import DataRecipe
from kdcore.teacher_cache.packing import OutputRows

FORMAT = 1  # to be raised when the layout of rows or the augmentation of views changes
IMAGES = 1024  # hashed at a time
LARGE = (
    1 << 30
)  # bytes of pixels, which are read in a second: of more, the files decide, where the images come from files


def key(teacher: Teacher, split: Split, data: DataRecipe, rows: OutputRows) -> dict[str, Any]:
    """The key as plain data. The number of views is not part of it, as each view has its own files."""
    weights, answering = teacher.model.net.state_dict(), next(teacher.answering.parameters())
    pixels = split.images.permute(0, 2, 3, 1)  # their order in memory
    code = plugins.checksum("network", teacher.model.name)
    return {
        "format": FORMAT,
        **({"plugin": code} if code else {}),
        "teacher": teacher.model.description(),
        "weights": _digest(tensor for _, tensor in sorted(weights.items())),
        "arithmetic": f"{answering.dtype} on {answering.device.type}",
        "images": _images(split, pixels),
        "shape": list(pixels.shape),
        "augmentation": Augmentation.of(data).described(),
        "seed": data.seed_of("train") if data.augmented else 0,
        "kept": {name: {**asdict(part), "shape": list(rows.layout.shapes[name])} for name, part in rows.parts.items()},
    }


def name(decided_by: dict[str, Any]) -> str:
    """The name of the folder for a key."""
    digest = hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()
    return f"{decided_by['teacher']['model'].replace('/', '-')}-{digest[:16]}"


def _images(split: Split, pixels: Tensor) -> str:
    """What decides the images: their pixels; or, where there are many, the files that they come from."""
    if split.identity and pixels.numel() > LARGE:
        return f"files {split.identity}"
    return _digest(pixels.split(IMAGES))


def _digest(tensors: Iterable[Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(dtype=torch.uint8).numpy().data)
    return found.hexdigest()
