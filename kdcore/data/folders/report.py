"""Reports on a folder of images before a run: images of each class and split, what is left out and why, and duplicates."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdcore.data import datasets, selection
from kdcore.data.class_subset import ClassSubset
from kdcore.data.datasets.base import Report, quiet
from kdcore.data.datasets.folder import Folder
from kdcore.data.folders import checking, duplicates, names
from kdcore.data.folders.listing import Listing
from kdcore.data.folders.walking import FEW, LeftOut
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

CACHED = 8  # reports
FRESH_SECONDS, FRESH_TIMES = (
    30.0,
    20,
)  # so long, or so many times as long as it took: a file may change without its folder
WHOLE = float("inf")  # seconds: decode every file
INDIFFERENT = {"image_size", "labels", "label_noise", "texture_agreement", "augment", "batch_size"}  # to the report
UNREADABLE = "files that cannot be read"
TWICE = "Files are compared byte by byte: a copy that was saved again in another size or format is not found."


@dataclass(frozen=True)
class FolderReport:
    """What a run with this data would use of a folder.

    folder: as in the recipe. found: images in it, in all of its classes.
    counts: split -> images of each class; without files that are known to be unreadable.
    left_out: what is not used, by reason.
    warnings: what looks like a mistake. notes: what may surprise.
    unchecked: images that were not decoded yet, so that they may still turn out to be unreadable.
    """

    folder: str
    classes: tuple[str, ...]
    found: int
    counts: dict[str, tuple[int, ...]]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    unchecked: int = 0

    @property
    def headline(self) -> str:
        """`3 classes, 120 images found: 86 training, 10 validation and 24 test images.`"""
        splits = [f"{sum(counts):,} {selection.IN_WORDS.get(split, split)}" for split, counts in self.counts.items()]
        unreadable = sum(each.count for each in self.left_out if each.reason == UNREADABLE)
        but = f", {unreadable:,} of which cannot be read" if unreadable else ""
        return f"{len(self.classes)} classes, {self.found:,} images found{but}: {', '.join(splits[:-1])} and {splits[-1]} images."

    def lines(self) -> list[str]:
        """All but the headline and the classes, a sentence each."""
        left = [f"Left out: {each}." for each in self.left_out]
        rest = f"{self.unchecked:,} images are decoded when the run starts; those that cannot be read are named then."
        return [*self.warnings, *left, *self.notes, *([rest] if self.unchecked else [])]

    def summary(self) -> str:
        """One sentence for the log of a run."""
        count = sum(each.count for each in self.left_out)
        left = f" Left out: {count:,} file{'s or folders' if count > 1 else ' or folder'}." if count else ""
        return f"{self.folder}: {self.headline}{left}"


@dataclass(frozen=True)
class _Images:
    """The images of all splits: files (absolute), their names, the split and the class of each."""

    files: list[str]
    shown: list[str]
    splits: list[str]
    targets: np.ndarray


_cache: OrderedDict[str, tuple[Listing, float, FolderReport]] = OrderedDict()
_lock = threading.Lock()


def report(data: DataRecipe, seconds: float = 0.0, progress: Report = quiet) -> FolderReport:
    """A report on the folder of a recipe's data. It lists files, hashes those of equal size, and decodes some.

    Args:
        seconds: how long files may be decoded to find those that cannot be read; what was found is remembered. WHOLE: all.
        progress: called with a sentence now and then while this takes long.

    Raises:
        UserError: there is no such folder, it holds no classes, or the settings do not fit it.
    """
    dataset = datasets.of(data)
    if not isinstance(dataset, Folder):
        raise UserError(f"A report needs data of your own: `data.name` is {data.name}, not folder.")
    dataset.check()
    key, listing = data.model_dump_json(exclude=INDIFFERENT), dataset.listing
    with _lock:
        cached = _cache.get(key)
    began = time.monotonic()
    if cached and cached[0] is listing and began < cached[1] and (seconds < WHOLE or not cached[2].unchecked):
        return cached[2]
    made = _report(data, dataset, seconds, progress)
    now = time.monotonic()
    with _lock:
        _cache[key] = (listing, now + max(FRESH_SECONDS, FRESH_TIMES * (now - began)), made)
        while len(_cache) > CACHED:
            _cache.popitem(last=False)
    return made


def _report(data: DataRecipe, dataset: Folder, seconds: float, progress: Report) -> FolderReport:
    source = dataset if data.only is None else ClassSubset(dataset, data.only)
    listing = dataset.listing
    listing.check_images()
    images = _images(data, dataset, source)
    problems = checking.checked(images.files, seconds, progress)
    bad = np.array([bool(why) and why != checking.ONE_COLOUR for why in problems], dtype=np.bool_)
    splits = selection.splits(data, source)
    counts = {
        split: tuple(
            np.bincount(
                images.targets[~bad & (np.array(images.splits) == split)], minlength=len(source.classes)
            ).tolist()
        )
        for split in splits
    }
    copies = _copies(images, source.classes)
    return FolderReport(
        folder=names.text(str(dataset.root)),
        classes=source.classes,
        found=sum(len(source.targets(pool)) for pool in source.pools),
        counts=counts,
        left_out=(*listing.left_out, *_unreadable(images.shown, problems)),
        warnings=(*listing.questions, *copies, *_plain(images.shown, problems)),
        notes=(*listing.notes, *([TWICE] if copies else [])),
        unchecked=sum(why is None for why in problems),
    )


def _images(data: DataRecipe, dataset: Folder, source: selection.Source) -> _Images:
    files: list[str] = []
    shown: list[str] = []
    splits: list[str] = []
    targets = [np.empty(0, np.int64)]
    for split in selection.splits(data, source):
        pool, places, of_split = selection.selected(data, source, split)
        own = source.places(pool)[places] if isinstance(source, ClassSubset) else places
        files += dataset.paths(pool, own)
        shown += map(names.text, dataset.files(pool, own))
        splits += [split] * len(own)
        targets.append(of_split)
    return _Images(files, shown, splits, np.concatenate(targets))


def _unreadable(shown: list[str], problems: list[str | None]) -> list[LeftOut]:
    named = zip(shown, problems, strict=True)
    found = [f"{name} ({why})" for name, why in named if why and why != checking.ONE_COLOUR]
    return [LeftOut(UNREADABLE, len(found), tuple(found[:FEW]))] if found else []


def _plain(shown: list[str], problems: list[str | None]) -> list[str]:
    named = zip(shown, problems, strict=True)
    found = [name for name, why in named if why == checking.ONE_COLOUR]
    have = (
        f"{len(found):,} images have a single colour; check them"
        if len(found) > 1
        else "An image has a single colour; check it"
    )
    return [f"{have}: {_some(found)}."] if found else []


def _copies(images: _Images, classes: tuple[str, ...]) -> list[str]:
    """What files with the same content mean, where there are any: between splits, between classes, within."""
    groups = duplicates.groups(images.files)
    if not groups:
        return []
    found = []
    for split in ("test", "validation"):
        of_split = sum(name == split for name in images.splits)
        both = [group for group in groups if {images.splits[place] for place in group} >= {split, "train"}]
        if both:
            count = sum(images.splits[place] == split for group in both for place in group)
            found.append(
                f"{count} of {of_split} {split} images {'are copies of training images' if count > 1 else 'is a copy of a training image'}, "
                f"so {split} results would be too good: {_pairs(images, both)}."
            )
    if torn := [group for group in groups if len({int(images.targets[place]) for place in group}) > 1]:
        found.append(
            f"{len(torn)} image{'s lie' if len(torn) > 1 else ' lies'} in several classes, so a label is wrong: {_pairs(images, torn)}."
        )
    spare = sum(len(group) - len({images.splits[place] for place in group}) for group in groups)
    if spare:
        found.append(f"{spare} file{'s are copies' if spare > 1 else ' is a copy'} of another one of the same split.")
    return found


def _pairs(images: _Images, groups: Sequence[Sequence[int]]) -> str:
    return _some([" = ".join(images.shown[place] for place in group[:3]) for group in groups])


def _some(shown: Sequence[str]) -> str:
    return ", ".join(shown[:FEW]) + (f" and {len(shown) - FEW} more" if len(shown) > FEW else "")
