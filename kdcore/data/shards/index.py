"""The index of a folder of tar shards: where each image is and its label, found once and stored; read anew when a shard changes.

path/train-000000.tar, val-000000.tar, test-000000.tar      the split is a word of the name; without one all are for training
path/train/00000.tar, path/val/00000.tar                    or the name of the folder
path/classes.txt                                            names of numbered classes, one a line, where there are any

In a shard, files with the same name up to its first dot belong together: an image, and its label as `.cls` or in `.json`.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kdcore import paths, photos
from kdcore.data.datasets.base import Progress, Report
from kdcore.data.folders import names, stored, walking
from kdcore.data.folders.contents import Listing, Names, Pool
from kdcore.data.folders.walking import LeftOut, Stamp, stamp
from kdcore.data.shards import entries, files, questions, tar
from kdcore.errors import NotAllowed, UserError
from kdcore.files import reading
from kdcore.photos import kinds
from kdcore.recipe import class_list

LAYOUT = (
    "It should hold tar files such as train-000000.tar and test-000000.tar, with an image and its label (.cls or .json) "
    "for each key, as WebDataset writes them."
)
LABELS = ("cls", "json")
CLASS_FILES = ("classes.txt", "labels.txt")
MOST_CLASSES = 100_000
MOST_CLASS_BYTES = 16 << 20  # of a file of class names
MOST_IMAGES = 50_000_000

COMPRESSED = "compressed shards, in which no image can be found by its place (unpack them: gunzip, unzstd)"
UNLABELLED, NO_IMAGE = "images without a label (.cls or .json)", "labels without an image"
NO_LABEL = (
    "labels that are no class: not a whole number from 0 to 999,999,999, a name in UTF-8, or a .json with one of these, once: "
    + ", ".join(map(repr, entries.JSON_KEYS))
)
FURTHER = "further images and labels of a key, which is the name up to its first dot: the first of each is used"
APART = (
    "An image and its label need the same name up to its first dot, and have to follow one another in the shard, as "
    "`tar --sort=name` writes them."
)
TOO_LARGE = f"images of more than {photos.OWN.mib} MiB"
CLOSED = "shards that cannot be opened"
OF_NO_SPLIT = "shards without train, test or val in their name, beside others with it"


def indexed(root: Path, report: Report) -> Listing:
    """What a folder of shards holds.

    Raises:
        NotAllowed: it is outside the folders that this server may read.
        UserError: there is no such folder, or no image with a label in it.
    """
    return stored.listing("shards", root, lambda: _Indexer(root, os.path.abspath(root), report).listing())


@dataclass
class _Images:
    """The images of a split, as far as they were found: parts of names, and numbers."""

    names: list[Names] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)  # [4, m]: label, shard, offset, size


class _Indexer:
    """Reads the headers of all shards once."""

    def __init__(self, root: Path, absolute: str, report: Report) -> None:
        self.root, self.absolute, self.report = root, absolute, report
        self.shown = names.text(str(root))
        self.began = time.time_ns()
        self.stamps: dict[str, Stamp] = {}
        self.labels: dict[str, int] = {}  # their texts, in the order of their first image
        self.written: dict[str, list[str]] = {}  # the ways in which each is written, two at most
        self.questions: list[str] = []
        self.notes: list[str] = []
        self.left: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}
        self.found = 0

    def listing(self) -> Listing:
        found = self._shards()
        pools: dict[str, _Images] = {}
        progress = Progress(f"Reading the index of {len(found):,} shards", len(found), self.report)
        for number, (name, split) in enumerate(found.items()):
            self._index(name, number, pools.setdefault(split, _Images()))
            progress(number + 1)
        if not self.found:
            raise UserError(f"{self.shown} has no image with a label. {LAYOUT}{self._left_words()}")
        classes, numbers = self._classes(pools)
        if self.counts.keys() >= {UNLABELLED, NO_IMAGE}:
            self.questions.append(
                f"{self.counts[UNLABELLED]:,} images have no label and {self.counts[NO_IMAGE]:,} labels no image. {APART}"
            )
        made: dict[str, Pool] = {
            pool: _pool(pools[pool], numbers) for pool in ("train", "validation", "test") if pool in pools
        }
        self._check_classes(made, classes)
        asked = (*names.alike(classes), *self.questions)
        return Listing(
            self.root, classes, made, self._left_out(), asked, tuple(self.notes), self.stamps, self.began
        )  # fmt: skip

    def _shards(self) -> dict[str, str]:
        """The shards that are used, each with its split."""
        if not os.path.isdir(self.root):
            raise UserError(names.no_folder(self.root, LAYOUT))
        try:
            found = files.shards(self.absolute)
            for name in os.listdir(self.absolute):
                if re.search(r"\.(tar\.(gz|zst|xz|bz2)|tgz)$", name, re.IGNORECASE):
                    self._leave_out(COMPRESSED, name)
        except OSError as error:
            raise UserError(f"The folder {self.shown} cannot be opened ({error.strerror}).") from error
        if not found:
            raise UserError(f"{self.shown} has no tar file in it. {LAYOUT}{self._left_words()}")
        if not any(found.values()):
            found = dict.fromkeys(found, "train")
        if "train" not in found.values():
            some = ", ".join(list(found)[:3])
            raise UserError(f"{self.shown} has no shard of training images, only {some}. {LAYOUT}")
        for name in [name for name, split in found.items() if not split]:
            self._leave_out(OF_NO_SPLIT, name)
            del found[name]
        folders = {os.path.dirname(os.path.join(self.absolute, name)) for name in found} | {self.absolute}
        self.stamps = {folder: stamp(folder) for folder in folders}
        return found

    def _index(self, shard: str, number: int, images: _Images) -> None:
        path = os.path.join(self.absolute, shard)
        names_found: list[str] = []
        numbers: list[tuple[int, int, int, int]] = []
        keys: set[str] = set()  # of the images that are used
        try:
            self.stamps[path] = stamp(paths.allowed(Path(path)))
            reading.regular(path)
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its writer
        except NotAllowed:
            self._leave_out(walking.NOT_ALLOWED, shard)
            return
        except OSError as error:
            self._leave_out(CLOSED, f"{shard} ({error.strerror})")
            return
        try:
            for image, label in self._samples(file, shard):
                key = entries.split(image.name)[0]
                if key in keys:
                    self._leave_out(FURTHER, f"{shard}/{image.name}")
                    continue
                keys.add(key)
                names_found.append(f"{shard}/{image.name}")
                numbers.append((self._label(label), number, image.offset, image.size))
        except tar.Damaged as error:
            if not numbers and tar.is_packed(file):
                self._leave_out(COMPRESSED, shard)
            else:
                self._leave_out(tar.DAMAGED, f"{shard} ({error}; {len(numbers):,} images before that are used)")
        except OSError as error:
            self._leave_out(CLOSED, f"{shard} ({error.strerror})")
        finally:
            os.close(file)
        images.names.append(Names.of(names_found))
        images.numbers.append(np.array(numbers, np.int64).reshape(-1, 4).T)
        self.found += len(numbers)
        if self.found > MOST_IMAGES:
            raise UserError(f"{self.shown} holds more than {MOST_IMAGES:,} images. Use some of its shards only.")

    def _label(self, label: entries.Label) -> int:
        known = self.written.setdefault(label.text, [label.written])
        if label.written not in known and len(known) < 2:
            known.append(label.written)
        return self.labels.setdefault(label.text, len(self.labels))

    def _samples(self, file: int, shard: str) -> Iterator[tuple[tar.Entry, entries.Label]]:
        """Each image with its label. What comes before damage is given, too."""
        sample: dict[str, tar.Entry] = {}
        key, damage = "", None
        try:
            for entry in tar.entries(file):
                stem, ending = entries.split(entry.name)
                if entry.refused:
                    self._leave_out(entry.refused, f"{shard}/{entry.name}")
                    continue
                if names.skipped_file(os.path.basename(entry.name)):
                    continue
                if stem != key:
                    yield from self._sample(file, shard, sample)
                    key, sample = stem, {}
                if sample.setdefault(ending, entry) is not entry:
                    self._leave_out(FURTHER, f"{shard}/{entry.name}")
        except tar.Damaged as error:
            damage = error
        yield from self._sample(file, shard, sample)
        if damage:
            raise damage

    def _sample(self, file: int, shard: str, sample: dict[str, tar.Entry]) -> Iterator[tuple[tar.Entry, entries.Label]]:
        images = [entry for ending, entry in sample.items() if f".{ending.rpartition('.')[2]}" in kinds.ENDINGS]
        image = images[0] if images else None
        for further in images[1:]:
            self._leave_out(FURTHER, f"{shard}/{further.name}")
        label = next((sample[ending] for ending in LABELS if ending in sample), None)
        if image is None:
            if label is not None:
                self._leave_out(NO_IMAGE, f"{shard}/{label.name}")
        elif label is None:
            self._leave_out(UNLABELLED, f"{shard}/{image.name}")
        elif image.size > photos.OWN.mib * 2**20:
            self._leave_out(TOO_LARGE, f"{shard}/{image.name}")
        elif (found := entries.label(file, label)) is None:
            self._leave_out(NO_LABEL, f"{shard}/{label.name}")
        else:
            yield image, found

    def _classes(self, pools: dict[str, _Images]) -> tuple[tuple[str, ...], np.ndarray]:
        """The classes, sorted, and the number of each label among them, [labels]."""
        if len(self.labels) > MOST_CLASSES:
            raise UserError(
                f"{self.shown} has {len(self.labels):,} different labels; at most {MOST_CLASSES:,} are classes."
            )
        written = list(self.labels)
        self.questions += questions.merged(self.written)
        if all(map(entries.is_number, written)):
            known = self._class_names()
            ordered = sorted(written, key=int)
            if known and int(ordered[-1]) >= len(known):
                raise UserError(
                    f"{self.shown} has the label {ordered[-1]}, but its file of class names has {len(known):,} lines, for labels "
                    f"0 to {len(known) - 1}: complete the file, or remove it."
                )
            shown = [known[int(label)] if known else label for label in ordered]
        else:
            ordered = shown = sorted(written)
            self.questions += questions.mixed(ordered)
            self._note_class_file()
        places = {label: place for place, label in enumerate(ordered)}
        return tuple(shown), np.array([places[label] for label in written], np.int64)

    def _note_class_file(self) -> None:
        for name in CLASS_FILES:
            if os.path.lexists(os.path.join(self.absolute, name)):
                self.notes.append(
                    f"{name} is not read: it would name numbered labels, and not all of these are numbers."
                )

    def _class_names(self) -> tuple[str, ...]:
        for name in CLASS_FILES:
            path = Path(self.absolute, name)
            if os.path.lexists(path):
                known = class_list.read(paths.allowed(path), MOST_CLASS_BYTES, self.notes.append)
                self.stamps[str(path)] = stamp(path)
                return known
        return ()

    def _check_classes(self, pools: dict[str, Pool], classes: tuple[str, ...]) -> None:
        trained = np.unique(pools["train"].targets) if "train" in pools else np.empty(0, np.int64)
        if len(trained) < 2:
            only = f"a single class, {classes[trained[0]]!r}" if len(trained) else "no image with a label"
            raise UserError(
                f"The training shards of {self.shown} have {only}; at least two are needed. {LAYOUT}{self._left_words()}"
            )
        for pool, found in pools.items():
            if not len(found.targets):
                raise UserError(
                    f"The {pool} shards of {self.shown} have no image with a label. Add some, or remove these shards: then {pool} images "
                    f"are taken from the training images.{self._left_words()}"
                )
            if len(strange := np.setdiff1d(found.targets, trained)):
                raise UserError(
                    f"The {pool} shards of {self.shown} have the class {classes[strange[0]]!r}, which no training shard has: the "
                    f"{pool} images may only have the training classes, {', '.join(classes[place] for place in trained[:10])}."
                    f"{''.join(f' {each}' for each in self.questions)}"
                )

    def _leave_out(self, reason: str, name: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        some = self.left.setdefault(reason, [])
        if len(some) < walking.FEW:
            some.append(names.text(name))

    def _left_out(self) -> tuple[LeftOut, ...]:
        return tuple(LeftOut(reason, count, tuple(self.left[reason])) for reason, count in sorted(self.counts.items()))

    def _left_words(self) -> str:
        apart = f" {APART}" if self.counts.keys() >= {UNLABELLED, NO_IMAGE} else ""
        return f"{walking.in_words(self._left_out())}{apart}"


def _pool(images: _Images, numbers: np.ndarray) -> Pool:
    label, shard, offset, size = np.concatenate([np.empty((4, 0), np.int64), *images.numbers], axis=1)
    where = {"shard": shard.copy(), "offset": offset.copy(), "size": size.copy()}
    return Pool("", Names.joined(images.names), numbers[label], where)
