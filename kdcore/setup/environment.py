"""The environment of a run, recorded when it starts and when it resumes: versions, device, and checksums of weights and data."""

import hashlib
import platform
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from kdcore.data.split import Split
from kdcore.events import Event, Noted
from kdcore.inspection import run_plugins
from kdcore.models import pretrained, sources
from kdcore.paths import portable
from kdcore.recipe import ModelRecipe
from kdcore.recipe.references import Pretrained, RandomWeights
from kdcore.runtime import versions
from kdcore.store import Store
from kdcore.store.run_files import environment
from kdcore.training.reporting import device_name
from kdcore.training.state import Parts

HASHED_BYTES = 1 << 28  # of a split's pixels; of a larger one, evenly spaced images
CHUNK = 1 << 20


def recorded(parts: Parts, runs: Store, run_id: str) -> Iterator[Event]:
    """Store what the run is computed with. Yields a warning where that differs from how it began."""
    try:
        differing = environment.record(runs.folder(run_id), current(parts, runs, run_id))
    except OSError as error:
        yield Noted(f"The run's environment could not be stored: {error.strerror or error}.", "warning")
        return
    if differing:
        yield Noted(
            f"Resumed in another environment: {'; '.join(differing)}. Numbers may differ from here on.", "warning"
        )


def current(parts: Parts, runs: Store, run_id: str) -> environment.Entry:
    """The environment as plain data."""
    recipe = parts.recipe
    splits = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    specs = {"teacher": recipe.teacher, "student": recipe.student}
    weights = {name: weights_of(spec, runs, run_id) for name, spec in specs.items() if spec}
    built = (parts.student.distiller.student, parts.teacher.model if parts.teacher else None)
    plugins = run_plugins.used(recipe, [model.name for model in built if model])
    return {
        "versions": versions.versions(),
        "code": versions.revision(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(parts.device),
        "threads": torch.get_num_threads(),
        "precision": recipe.precision,
        **({"plugin": plugins} if plugins else {}),
        "weights": {name: found for name, found in weights.items() if found},
        "data": {name: {"images": len(split), "sha256": of_split(split)} for name, split in splits.items() if split},
    }


def weights_of(spec: ModelRecipe, runs: Store, run_id: str) -> dict[str, Any] | None:
    """The file of a network's initial weights and its checksum; None for random ones."""
    own = runs.folder(run_id) / "teacher.safetensors"
    if getattr(spec, "finetune", None) and own.is_file():
        return {"file": own.name, "sha256": of_file(own)}
    match spec.reference:
        case RandomWeights():
            return None
        case Pretrained():
            assert spec.model is not None
            file = pretrained.found(spec.model)
        case _:
            source = sources.find(spec.weights, runs)
            if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
                return weights_of(source.model_copy(update={"finetune": None}), runs, run_id)
            file = source.path
    return {"file": portable(str(file)), "sha256": of_file(file)} if file else None


def of_file(path: Path) -> str:
    """The SHA-256 of a file."""
    found = path.stat()
    return _of_file(str(path), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _of_file(path: str, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_split(split: Split) -> str:
    """The SHA-256 of a split's pixels, as the networks get them before augmentation, and of its labels.

    Of a split of more than 256 MiB, of evenly spaced images.
    """
    digest = hashlib.sha256(repr((split.classes, tuple(split.images.shape))).encode())
    digest.update(split.targets.cpu().numpy().tobytes())
    each = max(split.images[0].numel(), 1) if len(split) else 1
    step = -(-len(split) * each // HASHED_BYTES) or 1
    rows = max(1, CHUNK // each) * step
    for start in range(0, len(split), rows):
        pixels = split.images[start : start + rows : step].permute(0, 2, 3, 1).contiguous().cpu()
        digest.update(pixels.numpy().data)
    return digest.hexdigest()
