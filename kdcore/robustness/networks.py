"""Networks by their references, without loading them: classes, data, a hash of the weights, where their outcomes are kept."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.models import sources, weight_files
from kdcore.models.sources import Source
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe, ModelRecipe
from kdcore.recipe.references import LibraryNetwork, Pretrained, RandomWeights, RunNetwork
from kdcore.runtime import versions
from kdcore.runtime.once import once
from kdcore.store import Store
from kdcore.store.trained_on import data_of

FOLDER = "robustness"  # of a run, and of the data folder
KEPT = {"name", "path", "image_size", "only"}  # of a recipe's data: what decides which test images there are


@dataclass(frozen=True)
class Described:
    """A network that can be evaluated.

    data: what its test images are taken from, at its image size, without limits of their number.
    weights: a hash of its weights and architecture.
    folder: where outcomes are kept: of a run's own networks in the run's folder, else in the data folder by their hash.
    """

    reference: str
    classes: tuple[str, ...]
    image_size: int
    data: DataRecipe
    weights: str
    folder: Path


def described(reference: str, store: Store) -> Described:
    """Raises UserError: there is no such network, or no data is known for it."""
    source = sources.find(reference, store)
    run = sources.resolved(reference, store)
    plain = _description(reference, source, run, store)
    classes, size = tuple(plain["classes"]), int(plain["image_size"])
    weights = fingerprint(source, store, classes, size)
    own = isinstance(source, Source) and isinstance(run, RunNetwork) and run.step is None
    if own and isinstance(run, RunNetwork) and not store.state(run.run_id).recorded:
        folder = store.folder(run.run_id) / FOLDER / run.network
    else:
        folder = data_folder() / FOLDER / weights
    return Described(reference, classes, size, test_data(reference, classes, size, store), weights, folder)


def test_data(reference: str, classes: tuple[str, ...], image_size: int, store: Store) -> DataRecipe:
    """The data whose test images a network is evaluated on.

    All test images of a dataset, also where a run used only some; so that networks of different runs see the same ones. Of an
    own folder without test images of its own, the run's seed decides which these are.
    """
    resolved = sources.resolved(reference, store)
    data = data_of(str(resolved), classes, store)
    seed = data.seed_of("test") if datasets.get(data.name).obtained == "folder" else 0
    plain = {name: value for name, value in data.model_dump().items() if name in KEPT}
    return DataRecipe(**(plain | {"image_size": image_size, "seed": seed}))


def fingerprint(source: Source | ModelRecipe, store: Store, classes: tuple[str, ...], image_size: int) -> str:
    """A hash of a network's weights and architecture, 20 characters."""
    if isinstance(source, Source):
        changed = source.path.stat()
        described = json.dumps(source.description, sort_keys=True)
        return _of_file(source.path, source.prefix, changed.st_mtime_ns, changed.st_size, described)
    reference = source.reference
    if isinstance(reference, RandomWeights):
        raise UserError("The teacher of this run has random weights that were not saved, so it cannot be evaluated.")
    if isinstance(reference, Pretrained):
        weights = f"{source.model} {versions.versions().get('timm')} {versions.versions().get('torchvision')}"
    else:
        weights = fingerprint(sources.find(source.weights, store), store, classes, image_size)
    settings = source.model_dump_json(exclude={"weights"})
    return _short(f"{weights} {settings} {classes} {image_size}".encode())


def _description(reference: str, source: Source | ModelRecipe, run: Any, store: Store) -> dict[str, Any]:
    if isinstance(run, LibraryNetwork):
        raise UserError(
            f"{reference} has the classes of no known dataset, so it is not evaluated: fine-tune it in a recipe."
        )
    if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
        assert isinstance(run, RunNetwork)
        return sources.teacher_description(run.run_id, store)
    plain = source.description or {}
    if not {"model", "classes", "image_size"} <= plain.keys():
        raise UserError(
            f"{reference} does not say which model and classes its weights belong to: write it again with "
            "`python -m kdcore import-weights`, which names them."
        )
    return plain


@once(maxsize=256)
def _of_file(path: Path, prefix: str, changed: int, size: int, described: str) -> str:
    found = hashlib.sha256(described.encode())
    for name, tensor in sorted(weight_files.read(path, prefix).items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:20]


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]
