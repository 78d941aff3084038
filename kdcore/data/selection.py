"""Which of a dataset's images a split holds, from lists of files and labels alone; refuses data that no run can use. Without torch.

`loading` reads the images that are chosen here.
"""

import numpy as np

from kdcore.data import datasets, sampling
from kdcore.data.class_subset import ClassSubset
from kdcore.data.datasets.base import Report, Source, quiet
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

IN_WORDS = {"train": "training"}
VALIDATION, LIMITED = 1, 3  # independent random streams of one seed; `loading` and the folder have others


def source(data: DataRecipe, report: Report = quiet, download: bool = False) -> Source:
    """The dataset, or the classes of it that are used. Raises UserError for settings that it does not have."""
    dataset = datasets.of(data, report, download=download)
    datasets.check(data)
    return dataset if data.only is None else ClassSubset(dataset, data.only)


def splits(data: DataRecipe, source: Source) -> tuple[str, ...]:
    """The splits: train, validation (absent where `data.validation` is 0), test, and what else the dataset has."""
    own = tuple(pool for pool in source.pools if pool not in ("train", "validation"))
    return ("train", *(("validation",) if data.validation or "validation" in source.pools else ()), *own)


def selected(
    data: DataRecipe, source: Source, split: str, *, planned: bool = False
) -> tuple[str, np.ndarray, np.ndarray]:
    """The images of a split: the pool, their places in it [n], and their classes [n].

    Args:
        planned: the classes may be those of `Source.planned_targets`, which needs no file: as many of each, in any order.
    """
    pool = split if split in source.pools else "train"
    targets = source.planned_targets(pool) if planned else source.targets(pool)
    places = np.arange(len(targets))
    wanted, key = (data.train_images, "train_images") if pool == "train" else (data.test_images, "test_images")
    if wanted is not None and pool != "validation":
        if wanted > len(targets):
            raise UserError(
                f"`data.{key}` is {wanted:,}, but {data.name} has only {len(targets):,}: choose at most {len(targets):,}, or null for all."
            )
        places = sampling.balanced(targets, wanted, (data.seed_of(pool), LIMITED))
    if pool == "train" and "validation" not in source.pools:
        validation = sampling.share(targets[places], data.validation, (data.seed_of(pool), VALIDATION))
        places = places[validation] if split == "validation" else np.delete(places, validation)
    return pool, places, targets[places]


def counts(data: DataRecipe) -> dict[str, int]:
    """How many images each split has; files that are known to be unreadable are not counted. Nothing is read or downloaded.

    Raises:
        UserError: as `check`.
    """
    found = source(data)
    return {split: _count(data, found, split) for split in splits(data, found)}


def check(data: DataRecipe) -> None:
    """Refuse data that no run can use: unknown classes, more images than there are, an empty split, labels that do not fit.

    Raises:
        UserError: with what to change.
    """
    found = source(data)
    images = counts(data)
    for split in ("train", "test", *images):  # the validation images are the easiest to do without
        if not images[split]:
            raise UserError(_why_empty(data, found, split, images))
    classes = len(found.classes)
    if data.labels != "all" and not classes <= data.labels <= images["train"]:
        raise UserError(
            f"`data.labels` is {data.labels:,}, but there are {classes} classes and {images['train']:,} training images "
            f"(without the validation images): choose {classes:,} to {images['train']:,}, or `all`."
        )


def _count(data: DataRecipe, found: Source, split: str) -> int:
    pool, places, _ = selected(data, found, split, planned=True)
    return len(places) - int(found.unreadable(pool, places).sum())


def _why_empty(data: DataRecipe, found: Source, split: str, images: dict[str, int]) -> str:
    own = datasets.get(data.name).obtained == "folder"
    if own and split in found.pools and len(found.targets(split)):
        name = IN_WORDS.get(split, split)
        return f"None of the {name} images can be read: `python -m kdcore data {data.path}` names them with the reason."
    seen = ", ".join(f"{count:,} {IN_WORDS.get(name, name)}" for name, count in images.items())
    if split == "validation":
        return (
            f"There is no validation image ({seen}): `data.validation` {data.validation:g} takes a share of each class, and none "
            "of a class with a single image. Add images, or set `data.validation` to 0."
        )
    if split == "test" and own:
        return (
            f"There is no test image ({seen}): without test images of its own a fifth of each class is held out for the test, and none "
            "of a class with a single image. Add images, or test images with some of each class."
        )
    return f"There is no {split} image ({seen}): choose more images."
