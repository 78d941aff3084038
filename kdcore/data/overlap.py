"""How many images of a split another recipe trains on, from the choice of images alone; nothing is read or downloaded."""

from functools import lru_cache

import numpy as np

from kdcore.data import datasets, selection
from kdcore.data.class_subset import ClassSubset
from kdcore.data.datasets.base import Source
from kdcore.data.encoded import Encoded
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe


def share(data: DataRecipe, split: str, other: DataRecipe) -> float | None:
    """The share of a split's images that are among the training images of another recipe's data.

    Returns:
        None where it is not known: folders of different paths, or data that is not on this machine.
    """
    return _share(data.model_dump_json(), split, other.model_dump_json())


@lru_cache(maxsize=64)
def _share(data_json: str, split: str, other_json: str) -> float | None:
    data, other = (DataRecipe.model_validate_json(each) for each in (data_json, other_json))
    alike = _same_pools(data, other)
    if alike is not True:
        return alike if alike is None else 0.0
    try:
        found = selection.source(data)
        fixed = datasets.get(data.name).obtained == "downloaded" and data.only == other.only
        pool, own = _places(data, split, found)
        trained_pool, trained = _places(
            other, "train", found if fixed else selection.source(other)
        )  # an archive is read once
        if _another_split(data, other):
            named = _names(found, pool, own), _names(selection.source(other), trained_pool, trained)
            if None in named:
                return None
            own, trained = map(np.array, named)
            return float(np.isin(own, trained).mean()) if len(own) else None
    except UserError:  # missing, or changed since
        return None
    if pool != trained_pool:
        return 0.0
    return float(np.isin(own, trained).mean()) if len(own) else None


def _same_pools(data: DataRecipe, other: DataRecipe) -> bool | None:
    """Whether the same place in both means the same image; False where no image is in both, None where it is not known."""
    if data.name != other.name:
        return None if {data.name, other.name} & set(datasets.names("folder")) else False
    match datasets.get(data.name).obtained:
        case "downloaded":
            return True
        case "drawn":  # image i follows from the seed and i
            if data.seed_of("train") != other.seed_of("train"):
                return False
            return True if data.texture_agreement == other.texture_agreement else None
    return True if data.path == other.path else None


def _another_split(data: DataRecipe, other: DataRecipe) -> bool:
    """Whether other images of one folder may be held out for the test: the same place in both means different images."""
    own = datasets.get(data.name).obtained == "folder"
    return own and data.seed_of("test") != other.seed_of("test")


def _names(found: Source, pool: str, places: np.ndarray) -> list[str] | None:
    """The files at places of the whole dataset's pool; None of a dataset that has none."""
    whole = found.source if isinstance(found, ClassSubset) else found
    return whole.files(pool, places) if isinstance(whole, Encoded) else None


def _places(data: DataRecipe, split: str, found: Source) -> tuple[str, np.ndarray]:
    """The pool of a split, and the places of its images in the whole dataset's pool."""
    pool, places, _ = selection.selected(data, found, split)
    return pool, found.places(pool)[places] if isinstance(found, ClassSubset) else places
