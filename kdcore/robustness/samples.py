"""The images that networks are evaluated on: the first n test images of an order in which the classes take turns."""

import hashlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from kdcore import plugins
from kdcore.data import datasets, loading, selection
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe
from kdcore.robustness.networks import Described

MOST_IMAGES, MOST_NUMBERS = 10_000, 2_000_000  # of an outcome: images, and images times classes


@dataclass(frozen=True, eq=False)
class Sample:
    """Test images [n] in a fixed order: a larger sample begins with every smaller one.

    data: the recipe's data that they are of.
    identity: a hash of what decides the images, whatever their number.
    """

    split: Split
    data: DataRecipe
    identity: str

    def __len__(self) -> int:
        return len(self.split)


def common_data(networks: Sequence[Described]) -> DataRecipe:
    """The data of networks that can be evaluated together, at the size in which their test sets are made (`common_size`).

    Raises:
        UserError: they are of different data or classes; says which.
    """
    if not networks:
        raise UserError("Choose at least one network.")
    first = networks[0]
    for other in networks[1:]:
        if reason := _differ(first, other):
            raise UserError(
                f"{first.reference} and {other.reference} cannot be evaluated on the same images: {reason}. Choose networks of the "
                "same data."
            )
    return first.data.model_copy(update={"image_size": common_size(networks)})


def common_size(networks: Sequence[Described]) -> int:
    """The side in pixels of the images that networks share: their own, or of several sizes the largest, but none larger than the
    dataset's images are. A network of another size gets these images resized, so that all of them see the same ones."""
    sizes = [each.image_size for each in networks]
    stored = datasets.get(networks[0].data.name).native_size or max(sizes)
    return max(min(sizes), min(max(sizes), stored))


def load(data: DataRecipe, count: int | None = None, *, device: torch.device | str = "cpu") -> Sample:
    """The first `count` images of the sample; by default as many as an outcome may have.

    Raises:
        UserError: the images are not on this machine, or cannot be read.
    """
    if reason := unavailable(data):
        raise UserError(reason)
    split = loading.load(data, "test", device=device, first=count_of(data, count))
    return Sample(split, data, identity(data))


def count_of(data: DataRecipe, wanted: int | None) -> int:
    """How many images a sample has where so many are wanted, or as many as there may be. Raises UserError for none."""
    most = most_images(data)
    if wanted is not None and wanted < 1:
        raise UserError(f"The number of images is {wanted}; 1 to {most:,} were expected.")
    return most if wanted is None else min(wanted, most)


def most_images(data: DataRecipe) -> int:
    """How many images an outcome has at most: all test images up to 10,000, and 2,000,000 numbers."""
    classes = len(loading.classes(data))
    return max(1, min(MOST_IMAGES, MOST_NUMBERS // classes, loading.counts(data)["test"]))


def unavailable(data: DataRecipe) -> str:
    """Why the images are not on this machine, with how to get them; empty where they are. Nothing is downloaded."""
    if not loading.missing(data):
        return ""
    return (
        f"The test images of {data.name} are not in {data_folder()}: a run with this data downloads them, and KD_DATA names another "
        f"folder. Networks for {', '.join(datasets.names('drawn'))} need no download."
    )


def identity(data: DataRecipe) -> str:
    """A hash of what decides the images of a sample, whatever their number. No image is read.

    Of an own folder these are its files, with their sizes and times of modification; of other datasets, the code that reads or
    draws them.
    """
    if datasets.get(data.name).obtained != "folder":
        decided = _code_of(data.name)
    else:
        source = selection.source(data)
        pool, places, _ = selection.selected(data, source, "test")
        decided = source.identity(pool, places) or b""
    return hashlib.sha256(data.model_dump_json().encode() + decided).hexdigest()[:20]


@lru_cache(maxsize=32)
def _code_of(dataset: str) -> bytes:
    """The dataset's file, and those of the modules of `kdcore.data` that it imports."""
    module = sys.modules[datasets.get(dataset).__module__]
    used = [each for each in vars(module).values() if inspect.ismodule(each)]
    files = {str(each.__file__) for each in (module, *used) if each.__name__.startswith("kdcore.data.")}
    return b"".join(Path(file).read_bytes() for file in sorted(files)) + plugins.checksum("dataset", dataset).encode()


def _differ(one: Described, other: Described) -> str:
    """What of two networks' data differs, as a clause; empty where they fit together."""
    if one.data.name != other.data.name or one.data.path != other.data.path:
        return f"the one is for {_data(one)}, the other for {_data(other)}"
    if one.classes != other.classes:
        return f"the one has {len(one.classes)} classes ({_some(one)}), the other {len(other.classes)} ({_some(other)})"
    if one.data.model_copy(update={"image_size": other.data.image_size}) != other.data:
        return "their runs held out different test images of the folder, since their `data.seed` differs"
    return ""


def _data(network: Described) -> str:
    path = f" in {network.data.path}" if network.data.path else ""
    return f"{network.data.name}{path}"


def _some(network: Described) -> str:
    return ", ".join(network.classes[:3]) + (", ..." if len(network.classes) > 3 else "")
