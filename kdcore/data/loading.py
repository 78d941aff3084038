"""From a recipe's data and the name of a split to the split, read and placed on the training device.

Which of a dataset's images a split holds is decided in `selection`, for every dataset alike.
"""

import numpy as np
import torch
from torch import Tensor

from kdcore.data import datasets, reading, sampling, selection
from kdcore.data.datasets.base import Images, Report, Source, quiet
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

# independent random streams of one seed; `selection` and the folder have 1, 3 and 4
LABELLED, WRONG, PARTIAL, TURNS = 2, 5, 6, 7


def classes(data: DataRecipe) -> tuple[str, ...]:
    """The names of the classes; no image is read."""
    return selection.source(data).classes


def splits(data: DataRecipe) -> tuple[str, ...]:
    """The splits that `load` accepts. `validation` is absent where `data.validation` is 0."""
    return selection.splits(data, selection.source(data))


def counts(data: DataRecipe) -> dict[str, int]:
    """How many images each split has, from lists of files and labels; no image is read or downloaded. As `selection.counts`."""
    return selection.counts(data)


of_views = datasets.of_views


def missing(data: DataRecipe) -> str:
    """The sentence about images that `load` would have to download; empty where nothing is to be downloaded."""
    return datasets.of(data).missing()


def load(
    data: DataRecipe,
    split: str,
    *,
    device: torch.device | str = "cpu",
    report: Report = quiet,
    at_most: int | None = None,
    first: int | None = None,
    download: bool = False,
) -> Split:
    """Read a split and put it on the device.

    Args:
        split: one of `splits(data)`: train (without the validation images), validation, test, and what else the dataset has.
        report: called with a sentence now and then while reading takes long.
        at_most: read only about so many images, stratified.
        first: read the first so many images of an order in which the classes take turns, in this order: a larger number adds
            images behind the others.
        download: whether images may be downloaded where they are not on this machine; only a run that starts does so.

    Raises:
        NotHere: the images would have to be downloaded, and `download` is False.
        UserError: an unknown dataset or split, missing files, settings that the data cannot meet; with the remedy.
    """
    _check_split(split, data)
    source = selection.source(data, report, download)
    pool, places, truth = selection.selected(data, source, split)
    targets = _training_labels(truth, len(source.classes), data, report) if split == "train" else truth
    altered = targets is not truth
    if at_most is not None and at_most < len(places):
        part = sampling.share(truth, at_most / len(places), (data.seed_of(pool), PARTIAL))
        places, truth, targets = places[part], truth[part], targets[part]
    if first is not None:
        part = sampling.in_turns(truth, (data.seed_of(pool), TURNS))[:first]
        places, truth, targets = places[part], truth[part], targets[part]
    crops = split == "train" and data.resized_crop is not None
    images = reading.read(source, pool, places, data.image_size, report, whole=crops)
    if images.unreadable:
        _check_readable(source, truth, images, split)
    pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)  # a view: [n, 3, H, W], channels last
    placed, streamed = _placed(pixels, device, images.on_disk, report)
    return Split(
        name=split,
        classes=source.classes,
        images=placed,
        targets=torch.from_numpy(targets[images.kept]).to(device),
        extras={name: torch.from_numpy(values).to(device) for name, values in images.extras.items()},
        truth=torch.from_numpy(truth[images.kept]).to(device) if altered else None,
        streamed=streamed,
        whole=images.whole,
        identity=images.identity,
    )


def _check_split(split: str, data: DataRecipe) -> None:
    if split not in (known := splits(data)):
        none = " (this recipe's `data.validation` is 0, so there are no validation images)"
        why = none if split == "validation" else ""
        raise UserError(f"Unknown split {split!r} of {data.name}{why}. Known splits: {', '.join(known)}.")


def _training_labels(truth: np.ndarray, classes: int, data: DataRecipe, report: Report) -> np.ndarray:
    """The labels that the student learns from, [n]: some withheld, some wrong; `truth` itself where none is."""
    targets = truth if data.labels == "all" else _withheld(truth, data.labels, classes, data)
    labelled = np.flatnonzero(targets != NO_LABEL)
    wrong = round(data.label_noise * len(labelled))
    if not wrong:
        return targets
    changed = labelled[sampling.balanced(truth[labelled], wrong, (data.seed_of("train"), WRONG))]
    steps = np.random.default_rng((data.seed_of("train"), WRONG, 1)).integers(
        1, classes, len(truth)
    )  # uniformly to another class
    targets = targets.copy()
    targets[changed] = (truth[changed] + steps[changed]) % classes
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
    labelled = sampling.balanced(targets, labels, (data.seed_of("train"), LABELLED))
    left = np.full_like(targets, NO_LABEL)
    left[labelled] = targets[labelled]
    return left


def _check_readable(source: Source, targets: np.ndarray, images: Images, split: str) -> None:
    """Refuse a training class, or a whole split, of which no file can be read. Raises UserError."""
    gone = np.setdiff1d(targets, targets[images.kept])
    if len(gone) and (split == "train" or not len(images.kept)):
        missing = np.delete(targets, images.kept)
        example = images.unreadable[int(np.argmax(missing == gone[0]))]
        raise UserError(
            f"Not one {split} image of the class {source.classes[gone[0]]!r} can be read; for example {example}. "
            f"Replace the files, or remove the class's folder."
        )


def _placed(images: Tensor, device: torch.device | str, on_disk: bool, report: Report) -> tuple[Tensor, bool]:
    """The images on the device where they fit, else where they are; and whether their batches are streamed."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if images.numel() <= reading.SHARE * free:
            return images.to(device), False
        size, where = f"{images.numel() / 2**30:.1f} GiB of images", "on disk" if on_disk else "in main memory"
        report(f"{size} stay {where}: {free / 2**30:.1f} GiB are free on {device}.")
        return images, True
    return images, on_disk
