"""Datasets: a recipe's data and the name of a split -> the split held as tensors on the training device.

    train = data.load(recipe.data, "train", device="cuda")
    for batch in data.batches(train, 64, seed=0, epoch=3, augment=("flip", "crop")):
        ...

Each dataset is one file with a `Source`; which of its images a split holds is decided here, in one place for all.
"""

import math

import numpy as np
import torch
from torch import Tensor

from kdcore.data import choose, reading
from kdcore.data.feed import batches, steps_per_epoch
from kdcore.data.only import Only
from kdcore.data.source import Images, Report, Source, Split, quiet
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

__all__ = ["Split", "batches", "classes", "load", "missing", "splits", "steps_per_epoch"]

HELD_OUT, LABELLED, KEPT, WRONG, SOME = 1, 2, 3, 5, 6  # of one seed, independent choices; 4 is the folder's
CUES_COUNTS = ("train_images", "test_images")


def classes(data: DataRecipe) -> tuple[str, ...]:
    """The names of the classes; no image is read."""
    return _source(data).classes


def splits(data: DataRecipe) -> tuple[str, ...]:
    """The splits that `load` knows. `validation` is missing where the recipe holds nothing out."""
    source = _source(data)
    own = tuple(pool for pool in source.pools if pool not in ("train", "validation"))
    return ("train", *(("validation",) if data.validation or "validation" in source.pools else ()), *own)


def missing(data: DataRecipe) -> str:
    """The sentence about images that `load` would have to download; empty where nothing is to be downloaded."""
    if data.name not in ("cifar10", "cifar100"):
        return ""
    from kdcore.data import cifar

    return cifar.missing(data.name)


def load(
    data: DataRecipe,
    split: str,
    *,
    device: torch.device | str = "cpu",
    report: Report = quiet,
    at_most: int | None = None,
    download: bool = False,
) -> Split:
    """Read or draw a split and put it on the device.

    Args:
        split: one of `splits(data)`: train (less validation), validation, test; for `cues` also cue_conflict.
        report: called with a sentence now and then while it takes long.
        at_most: read only about so many images, the classes in their proportion.
        download: whether they may come from the network where they are not on this machine: a run that starts says yes.

    Raises:
        NotHere: the images would have to be downloaded, and may not be.
        ValueError: an unknown split, data that is missing, a choice that the data cannot meet; with the way out.
    """
    if split not in (known := splits(data)):
        why = " (this recipe's `data.validation` is 0: nothing is held out)" if split == "validation" else ""
        raise UserError(f"Unknown split {split!r} of {data.name}{why}. Known splits: {', '.join(known)}.")
    source = _source(data, report, download)
    pool, places = _chosen(data, source, split)
    truth = source.targets(pool)[places]
    targets = _taught(truth, len(source.classes), data, report) if split == "train" else truth
    altered = targets is not truth
    if at_most is not None and at_most < len(places):
        some = choose.share(truth, at_most / len(places), (data.seed, SOME))
        places, truth, targets = places[some], truth[some], targets[some]
    images = reading.read(source, pool, places, data.image_size, report)
    if images.unreadable:
        _check_what_is_left(source, truth, images, split)
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)  # a view: [n, 3, H, W], channels last
    images_there, streamed = _placed(pixels, device, images.on_disk, report)
    return Split(
        name=split,
        classes=source.classes,
        images=images_there,
        targets=torch.from_numpy(targets[images.kept]).to(device),
        extras={name: torch.from_numpy(values).to(device) for name, values in images.extras.items()},
        truth=torch.from_numpy(truth[images.kept]).to(device) if altered else None,
        streamed=streamed,
    )


def _taught(truth: np.ndarray, classes: int, data: DataRecipe, report: Report) -> np.ndarray:
    """The training labels as the student gets them, [n]: some withheld, some wrong; `truth` itself where neither."""
    targets = truth if data.labels == "all" else _withheld(truth, data.labels, classes, data)
    labelled = np.flatnonzero(targets != NO_LABEL)
    wrong = round(data.label_noise * len(labelled))
    if not wrong:
        return targets
    hit = labelled[choose.balanced(truth[labelled], wrong, (data.seed, WRONG))]
    steps = np.random.default_rng((data.seed, WRONG, 1)).integers(1, classes, len(truth))  # to another class, any alike
    targets = targets.copy()
    targets[hit] = (truth[hit] + steps[hit]) % classes
    report(
        f"{wrong:,} of {len(labelled):,} training labels are wrong on purpose (data.label_noise: {data.label_noise:g}), the "
        "same ones for student and twin. Validation and test labels are right."
    )
    return targets


def _withheld(targets: np.ndarray, labels: int, classes: int, data: DataRecipe) -> np.ndarray:
    """The targets with `labels` of them left, balanced, and NO_LABEL for the others: [n]."""
    if not classes <= labels <= len(targets):
        raise UserError(
            f"`data.labels` is {labels}, but {data.name} has {classes} classes and {len(targets)} training images here: "
            f"choose {classes} to {len(targets)}, or `all`."
        )
    labelled = choose.balanced(targets, labels, (data.seed, LABELLED))
    left = np.full_like(targets, NO_LABEL)
    left[labelled] = targets[labelled]
    return left


def _check_what_is_left(source: Source, targets: np.ndarray, images: Images, split: str) -> None:
    """Unreadable files may not empty a class of the training images, nor a whole split."""
    gone = np.setdiff1d(targets, targets[images.kept])
    if len(gone) and (split == "train" or not len(images.kept)):
        missing = np.delete(targets, images.kept)
        example = images.unreadable[int(np.argmax(missing == gone[0]))]
        raise UserError(
            f"Not one {split} image of the class {source.classes[gone[0]]!r} can be read; for example {example}. "
            f"Replace the files, or remove the class's folder."
        )


def _chosen(data: DataRecipe, source: Source, split: str) -> tuple[str, np.ndarray]:
    """The pool that holds the split's images, and their places in it."""
    pool = split if split in source.pools else "train"
    targets = source.targets(pool)
    places = np.arange(len(targets))
    wanted, key = (data.train_images, "train_images") if pool == "train" else (data.test_images, "test_images")
    if wanted is not None and pool != "validation":
        if wanted > len(targets):
            raise UserError(
                f"`data.{key}` is {wanted:,}, but {data.name} has only {len(targets):,}: choose fewer, or leave it out."
            )
        places = choose.balanced(targets, wanted, (data.seed, KEPT))
    if pool == "train" and "validation" not in source.pools:
        held_out = choose.share(targets[places], data.validation, (data.seed, HELD_OUT))
        places = places[held_out] if split == "validation" else np.delete(places, held_out)
    return pool, places


def _placed(images: Tensor, device: torch.device | str, on_disk: bool, report: Report) -> tuple[Tensor, bool]:
    """The images on the device where they fit there, else where they are; and whether batches of them travel."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if images.numel() <= reading.SHARE * free:
            return images.to(device), False
        size, where = f"{images.numel() / 2**30:.1f} GiB of images", "on disk" if on_disk else "in main memory"
        report(f"{size} stay {where}: {free / 2**30:.1f} GiB are free on {device}.")
        return images, True
    return images, on_disk


def _source(data: DataRecipe, report: Report = quiet, download: bool = False) -> Source:
    if data.only is None:
        return _whole(data, report, download)
    if data.name == "cues":  # which draws as many images as are asked for, of all its classes
        each = {key: math.ceil(getattr(data, key) / len(data.only or ())) for key in CUES_COUNTS if getattr(data, key)}
        drawn = data.model_copy(update={key: count * len(classes(DataRecipe())) for key, count in each.items()})
        return Only(_whole(drawn, report, download), data.only)
    return Only(_whole(data, report, download), data.only)


def _whole(data: DataRecipe, report: Report, download: bool) -> Source:
    # imported where used: drawing, torchvision and PIL are needed by one dataset each
    match data.name:
        case "cues":
            from kdcore.data.cues import Cues

            return Cues(data, report)
        case "cifar10" | "cifar100":
            from kdcore.data.cifar import Cifar

            return Cifar(data.name, report, download=download)
        case "folder":
            from kdcore.data.folder import Folder

            return Folder(data)
