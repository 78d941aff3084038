"""Outcomes on disk, computed once: with their run, or in the data folder by the hash of the weights, limited in size.

    runs/<id>/robustness/<network>/patch_scramble@4.npz     of a run's student, twin and fine-tuned teacher; deleted with the run
    .../patch_scramble@4,32.npz                             on images of 32 px that are resized for the network
    KD_DATA/robustness/<hash of the weights>/clean.npz      of all others; at most KD_ROBUSTNESS_GB, the least recently used go
    .../lock                                                held while a process computes a condition; others wait and read

A file holds its key: weights, images, code of the set. One with another key, or a damaged one, is computed anew. A file with more
images than are wanted is used as far as that; sets that use other images of the split are kept for each number of images.
"""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.data.perturbations import Perturbation, making
from kdcore.errors import UserError
from kdcore.files import atomic, budget, disk, locks
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe
from kdcore.results.bias import Outcome
from kdcore.robustness import conditions as sets
from kdcore.robustness import samples
from kdcore.robustness.conditions import Condition
from kdcore.robustness.networks import FOLDER, Described
from kdcore.store.run_files import arrays

FORMAT = 1  # to be raised when outcomes are computed otherwise
LIMIT, DEFAULT_GB = "KD_ROBUSTNESS_GB", 1.0
LOCK, RESIZED = "lock", ","
SILENT = 30.0  # seconds without a sign of life, after which a lock's holder is not waited for
ARRAYS = {"targets", "log_probabilities", "key"}


def of(networks: Mapping[str, Described], data: DataRecipe) -> "dict[str, Kept]":
    """Where the outcomes of networks on the images of a recipe's data are."""
    images, side = samples.identity(data), data.image_size
    return {name: Kept(each, images, 0 if each.image_size == side else side) for name, each in networks.items()}


@dataclass(frozen=True)
class Kept:
    """The outcomes of one network on the images of one sample.

    images: `samples.identity`. image_size: of these images, where they are resized for the network; else 0.
    """

    network: Described
    images: str
    image_size: int = 0

    def read(self, condition: Condition, count: int | None = None) -> Outcome | None:
        """The outcome on the first `count` images, or on as many as are kept.

        None where it is not kept, damaged, or of other weights, images or code.
        """
        for file in self._files(condition, count):
            if found := self._read(file, condition, count):
                budget.touch(self.network.folder)
                return found
        return None

    def _read(self, file: Path, condition: Condition, count: int | None) -> Outcome | None:
        try:
            found = arrays.read(file)
            key = json.loads(bytes(found["key"]))
            if key["key"] != self._key(condition) or not _fits(found, key["images"]):
                return None
            enough = is_whole(condition) or count is None or key["requested"] >= count
        except (UserError, ValueError, KeyError, TypeError):
            return None
        outcome = Outcome(
            found["targets"].astype(np.int64),
            found["log_probabilities"],
            found["textures"].astype(np.int64) if "textures" in found else None,
        )
        if not enough:
            return None
        return outcome if is_whole(condition) or count is None else first(outcome, count)

    def write(self, condition: Condition, outcome: Outcome, count: int) -> None:
        """Keep an outcome on the first `count` images. Raises UserError where the disk is full or read-only, or the run was deleted."""
        file = self._file(condition, count)
        key = {"key": self._key(condition), "images": outcome.count, "requested": count}
        content: dict[str, Any] = {
            "targets": outcome.targets.astype(np.int32),
            "log_probabilities": outcome.log_probabilities,
            "key": np.frombuffer(json.dumps(key).encode(), dtype=np.uint8),
        }
        if outcome.textures is not None:
            content["textures"] = outcome.textures.astype(np.int32)
        with disk.in_words(file.parent, then="evaluate again"):
            _make(file.parent)
            with atomic.replacing(file, durable=False) as temporary, temporary.open("wb") as opened:
                np.savez_compressed(opened, **content)
        if file.parent.parent == data_folder() / FOLDER:
            budget.touch(file.parent)
            _trim(file.parent)

    def conditions(self) -> list[Condition]:
        """The conditions of which there is a file, whether it can be used or not."""
        found: dict[Condition, None] = {}
        for file in sorted(self.network.folder.glob("*.npz")):
            condition, _, resized = file.stem.partition("+")[0].partition(RESIZED)
            if resized == self._resized.removeprefix(RESIZED):
                with contextlib.suppress(UserError):  # of a set that exists no more
                    found[sets.parse(condition)] = None
        return sorted(found, key=lambda each: (not each.is_clean, each))

    def _files(self, condition: Condition, count: int | None) -> list[Path]:
        """Where an outcome on so many images may be; without a number the one with most images first."""
        if count is not None or not depends_on_others(condition):
            return [self._file(condition, count or 0)]
        found = self.network.folder.glob(f"{condition}{self._resized}+*.npz")
        return sorted(found, key=lambda file: int(number) if (number := _number(file)).isdecimal() else 0, reverse=True)

    def _file(self, condition: Condition, count: int) -> Path:
        number = f"+{count}" if depends_on_others(condition) else ""
        return self.network.folder / f"{condition}{self._resized}{number}.npz"

    @property
    def _resized(self) -> str:
        return f"{RESIZED}{self.image_size}" if self.image_size else ""

    def _key(self, condition: Condition) -> list[Any]:
        code = "" if condition.is_clean else _code(sets.known(condition.set_name))
        return [FORMAT, self.network.weights, self.images, str(condition), code]


class Reserved(contextlib.ExitStack):
    """The locks of some networks' folders, held until it is closed. `alive` is to be called now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []

    def alive(self) -> None:
        for file in self.files:
            budget.touch(file)


def reserved(folders: Sequence[Path]) -> Reserved | None:
    """Lock all of these folders; None where another process or window is computing for one of them.

    A holder that gave no sign of life for half a minute, such as a window that was left, is not waited for: the same may then be
    computed twice, which is harmless.

    Raises:
        UserError: a folder cannot be written, or its run was deleted.
    """
    held = Reserved()
    for folder in sorted(set(folders)):
        file = folder / LOCK
        with disk.in_words(folder, then="evaluate again"):
            _make(folder)
            lock = locks.acquire(file)
        if lock is not None:
            held.enter_context(lock)
            held.files.append(file)
        elif time.time() - budget.used(file) <= SILENT:
            held.close()
            return None
    held.alive()
    return held


def check(folder: Path) -> None:
    """Refuse the folder of a network whose run was deleted meanwhile. Raises UserError."""
    run = folder.parent.parent
    if run != data_folder() and not run.is_dir():
        raise UserError(f"The run {run.name} was deleted, so its networks cannot be evaluated: choose others.")


def _make(folder: Path) -> None:
    """Make the folder of a network's outcomes; none in a run that was deleted meanwhile."""
    check(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _trim(keep: Path) -> None:
    root = data_folder() / FOLDER
    entries = [path for path in root.iterdir() if path.is_dir() and path != keep]
    budget.trim(entries, budget.limit(LIMIT, DEFAULT_GB), keep=keep, remove=_remove)


def _remove(entry: Path) -> None:
    """Remove the outcomes of a network for which nothing is being computed."""
    if lock := locks.acquire(entry / LOCK):
        with lock:
            for file in entry.glob("*.npz"):
                file.unlink(missing_ok=True)


def first(outcome: Outcome, count: int) -> Outcome:
    """An outcome on its first images."""
    if count >= outcome.count:
        return outcome
    textures = None if outcome.textures is None else outcome.textures[:count]
    return Outcome(outcome.targets[:count], outcome.log_probabilities[:count], textures)


def _fits(found: Mapping[str, np.ndarray], n: int) -> bool:
    """Whether arrays are those of an outcome on n images."""
    targets, logs, textures = found["targets"], found["log_probabilities"], found.get("textures")
    return (
        set(found) <= ARRAYS | {"textures"}
        and targets.shape == (n,) and targets.dtype.kind == "i" and n > 0
        and logs.ndim == 2 and len(logs) == n and logs.dtype.kind == "f" and logs.shape[1] > targets.max()
        and (textures is None or textures.shape == (n,))
    )  # fmt: skip


def _number(file: Path) -> str:
    return file.stem.partition("+")[2]


def is_whole(condition: Condition) -> bool:
    """Whether a set has images of its own, which are always evaluated on all of them."""
    return not condition.is_clean and sets.known(condition.set_name).own_images


def depends_on_others(condition: Condition) -> bool:
    """Whether an image of a set depends on which others there are, as the donors of a cue conflict."""
    if condition.is_clean or is_whole(condition):
        return False
    return type(sets.known(condition.set_name)).prepare is not Perturbation.prepare


def _code(perturbation: Perturbation) -> str:
    return making.code_version(perturbation)
