"""Reports on a user's own images before a run: images of each class and split, what is left out and why, and duplicates."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdcore.data import datasets, selection
from kdcore.data.class_subset import ClassSubset
from kdcore.data.datasets.base import Report, quiet
from kdcore.data.encoded import Encoded
from kdcore.data.folders import checking, duplicates, names
from kdcore.data.folders.contents import Listing
from kdcore.data.folders.items import Item
from kdcore.data.folders.walking import FEW, LeftOut
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe
from kdcore.recipe.data import AUGMENTATION

CACHED = 8  # reports
FRESH_SECONDS, FRESH_TIMES = (
    30.0,
    20,
)  # so long, or so many times as long as it took: a file may change without its folder
WHOLE = float("inf")  # seconds: decode every image
MOST_COMPARED = 100_000  # images: the sizes of more than that say little, so that nearly all would have to be read
INDIFFERENT = {"image_size", "labels", "label_noise", "texture_agreement", "batch_size", *AUGMENTATION}  # to the report
UNREADABLE = "files that cannot be read"
TWICE = "Files are compared byte by byte: a copy that was saved again in another size or format is not found."
NOT_COMPARED = f"Copies are not looked for among more than {MOST_COMPARED:,} images."


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


class _Images(Sequence[Item]):
    """The images of all splits one after another, each made when it is looked at.

    names: the splits. splits: [n] int, the number of each image's split. targets: [n] int64.
    """

    def __init__(self, data: DataRecipe, dataset: Encoded, source: selection.Source) -> None:
        self.names = selection.splits(data, source)
        self._dataset = dataset
        self._places: list[tuple[str, np.ndarray]] = []
        targets = [np.empty(0, np.int64)]
        for split in self.names:
            pool, places, of_split = selection.selected(data, source, split)
            own = source.places(pool)[places] if isinstance(source, ClassSubset) else places
            self._places.append((pool, own))
            targets.append(of_split)
        lengths = [len(places) for _, places in self._places]
        self._starts = np.cumsum([0, *lengths])
        self.splits = np.repeat(np.arange(len(lengths)), lengths)
        self.targets = np.concatenate(targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: int) -> Item:  # type: ignore[override]
        pool, places = self._found(place)
        return self._dataset.items(pool, places)[0]

    def shown(self, place: int) -> str:
        pool, places = self._found(place)
        return names.text(self._dataset.files(pool, places)[0])

    def split_of(self, place: int) -> str:
        return self.names[int(self.splits[place])]

    def _found(self, place: int) -> tuple[str, np.ndarray]:
        split = int(self.splits[place])
        pool, places = self._places[split]
        return pool, places[[place - self._starts[split]]]

    def problems(self, seconds: float, progress: Report) -> list[str | None]:
        """What is known of each image, as `checking.checked`; of very many only which ones cannot be read."""
        if len(self) <= checking.MOST_KNOWN or seconds == WHOLE:
            return checking.checked(self, seconds, progress)
        bad = [self._dataset.unreadable(pool, places) for pool, places in self._places]
        found: list[str | None] = [None] * len(self)
        for place in np.flatnonzero(np.concatenate(bad)).tolist():
            found[place] = checking.known(self[place])
        return found


_cache: OrderedDict[str, tuple[Listing, float, FolderReport]] = OrderedDict()
_lock = threading.Lock()


def covers(data: DataRecipe) -> bool:
    """Whether there is a report on a recipe's data: of encoded images of one's own."""
    return issubclass(datasets.get(data.name), Encoded)


def report(data: DataRecipe, seconds: float = 0.0, progress: Report = quiet) -> FolderReport:
    """A report on a recipe's own images. It lists them, hashes those of equal size, and decodes some.

    Args:
        seconds: how long images may be decoded to find those that cannot be read; what was found is remembered. WHOLE: all.
        progress: called with a sentence now and then while this takes long.

    Raises:
        UserError: there is no such folder, it holds no classes, or the settings do not fit it.
    """
    dataset = datasets.of(data, progress)
    if not isinstance(dataset, Encoded):
        own = ", ".join(datasets.names("folder"))
        raise UserError(f"A report needs data of your own: `data.name` is {data.name}, not one of {own}.")
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


def _report(data: DataRecipe, dataset: Encoded, seconds: float, progress: Report) -> FolderReport:
    source = dataset if data.only is None else ClassSubset(dataset, data.only)
    listing = dataset.listing
    listing.check_images()
    images = _Images(data, dataset, source)
    problems = images.problems(seconds, progress)
    bad = np.array([bool(why) and why != checking.ONE_COLOUR for why in problems], dtype=np.bool_)
    counts = {
        split: tuple(
            np.bincount(images.targets[~bad & (images.splits == place)], minlength=len(source.classes)).tolist()
        )
        for place, split in enumerate(images.names)
    }
    compared = len(images) <= MOST_COMPARED
    copies = _copies(images) if compared else []
    return FolderReport(
        folder=names.text(str(dataset.root)),
        classes=source.classes,
        found=sum(len(source.targets(pool)) for pool in source.pools),
        counts=counts,
        left_out=(*listing.left_out, *_unreadable(images, problems)),
        warnings=(*listing.questions, *copies, *_plain(images, problems)),
        notes=(*listing.notes, *([TWICE] if copies else []), *([] if compared else [NOT_COMPARED])),
        unchecked=sum(why is None for why in problems),
    )


def _unreadable(images: _Images, problems: list[str | None]) -> list[LeftOut]:
    bad = [(place, why) for place, why in enumerate(problems) if why and why != checking.ONE_COLOUR]
    some = tuple(f"{images.shown(place)} ({why})" for place, why in bad[:FEW])
    return [LeftOut(UNREADABLE, len(bad), some)] if bad else []


def _plain(images: _Images, problems: list[str | None]) -> list[str]:
    found = [images.shown(place) for place, why in enumerate(problems) if why == checking.ONE_COLOUR]
    have = (
        f"{len(found):,} images have a single colour; check them"
        if len(found) > 1
        else "An image has a single colour; check it"
    )
    return [f"{have}: {_some(found)}."] if found else []


def _copies(images: _Images) -> list[str]:
    """What files with the same content mean, where there are any: between splits, between classes, within."""
    groups = duplicates.groups(images)
    if not groups:
        return []
    found = []
    apart = list(groups)  # groups that no sentence names yet
    for split, other, name in (
        ("test", "train", "training"), ("validation", "train", "training"), ("test", "validation", "validation"),
    ):  # fmt: skip
        of_split = sum(images.split_of(place) == split for place in range(len(images)))
        among = apart if other == "validation" else groups
        both = [group for group in among if {images.split_of(place) for place in group} >= {split, other}]
        if both:
            apart = [group for group in apart if group not in both]
            count = sum(images.split_of(place) == split for group in both for place in group)
            found.append(
                f"{count} of {of_split} {split} images {f'are copies of {name} images' if count > 1 else f'is a copy of a {name} image'}, "
                f"{'on which settings may be chosen' if other == 'validation' else f'so {split} results would be too good'}: "
                f"{_pairs(images, both)}."
            )
    if torn := [group for group in groups if len({int(images.targets[place]) for place in group}) > 1]:
        found.append(
            f"{len(torn)} image{'s lie' if len(torn) > 1 else ' lies'} in several classes, so a label is wrong: {_pairs(images, torn)}."
        )
    spare = sum(len(group) - len({images.split_of(place) for place in group}) for group in groups)
    if spare:
        found.append(f"{spare} file{'s are copies' if spare > 1 else ' is a copy'} of another one of the same split.")
    return found


def _pairs(images: _Images, groups: Sequence[Sequence[int]]) -> str:
    return _some([" = ".join(images.shown(place) for place in group[:3]) for group in groups])


def _some(shown: Sequence[str]) -> str:
    return ", ".join(shown[:FEW]) + (f" and {len(shown) - FEW} more" if len(shown) > FEW else "")
