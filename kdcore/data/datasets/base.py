"""What a dataset declares and provides: its classes, sizes and origin; pools of images, their labels and pixels."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np

from kdcore.errors import UserError, shortened
from kdcore.plugins import Part, check_types
from kdcore.recipe import DataRecipe
from kdcore.runtime import interruption

if TYPE_CHECKING:
    from kdcore.data.ragged import Ragged

Obtained = Literal["drawn", "downloaded", "folder"]
Report = Callable[[str], None]


def quiet(text: str) -> None:
    """A report that is discarded."""


@dataclass(frozen=True)
class Images:
    """Images that were read.

    pixels: uint8 [m, size, size, 3].
    kept: [m] int, which of the requested images they are: all but unreadable files.
    extras: as in `Split`, [m, ...].
    unreadable: the files left out, each with the reason, in the order requested.
    on_disk: the pixels are a file that is mapped into memory.
    plain: the files among them that are one colour all over, in the order requested.
    whole: the same images with their shape kept, where that was requested.
    identity: what decides them, without their pixels; empty where only the pixels do.
    """

    pixels: np.ndarray
    kept: np.ndarray
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    on_disk: bool = False
    plain: tuple[str, ...] = ()
    whole: "Ragged | None" = None
    identity: str = ""


class Source(Protocol):
    """Pools of images from which the splits are chosen: a dataset, or some of its classes."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def pools(self) -> tuple[str, ...]:
        """`train` and `test` always; a pool `validation` replaces the split that is held out of `train`."""
        ...

    def targets(self, pool: str) -> np.ndarray:
        """[n] int64, without reading images where that is possible."""
        ...

    def planned_targets(self, pool: str) -> np.ndarray:
        """Like `targets`, without any file: as many of each class, perhaps in another order."""
        ...

    def unreadable(self, pool: str, places: np.ndarray) -> np.ndarray:
        """[n] bool: which images are known to be unreadable, and will be left out."""
        ...

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        """The images at `places`, resized to squares of `size` pixels."""
        ...

    def identity(self, pool: str, places: np.ndarray) -> bytes | None:
        """What decides the pixels at `places` besides their size; None where `read` must give all of them at once."""
        ...


class Dataset(Part):
    """A dataset. A subclass declares the attributes below, and provides `targets` and `read`.

    title: its name on a page.
    summary: one sentence about it.
    obtained: `drawn` by code, `downloaded` where it is not on this machine yet, or a user's own `folder`.
    image_size: the usual side, in pixels.
    native_size: the side in which all its images are stored, if they have one: a larger one adds no detail.
    classes: the names of the classes, in the order of the targets.
    counts: how many images each pool has where the recipe does not limit them.
    own_keys: settings of a recipe's data that this dataset alone reads.
    wanted: for a dataset that reads `data.path`, what that should name.
    keeps_shapes: whether `read` has an argument `whole`, for images with their shape kept beside the squares.
    has_masks: whether `read` gives `extras["masks"]`, the object's visible pixels.
    """

    part_kind = "dataset"
    title: ClassVar[str]
    summary: ClassVar[str]
    obtained: ClassVar[Obtained]
    image_size: ClassVar[int]
    native_size: ClassVar[int | None] = None
    counts: ClassVar[Mapping[str, int]] = {}
    own_keys: ClassVar[frozenset[str]] = frozenset()
    wanted: ClassVar[str] = "a folder of images"
    keeps_shapes: ClassVar[bool] = False
    has_masks: ClassVar[bool] = False

    def __init__(self, data: DataRecipe, report: Report = quiet, *, download: bool = False) -> None:
        """See `kdcore.data.datasets.of`. Reads nothing."""
        self.data = data
        self.report = report
        self.may_download = download

    @classmethod
    def taken_names(cls) -> Collection[str]:
        from kdcore.data import datasets

        return {"base", *datasets.own_names()}

    @classmethod
    def check_part(cls, module: ModuleType) -> None:
        """Refuse a dataset that does not declare what others need of it. Raises UserError."""
        check_types(cls, Dataset, cls.__name__)
        for declared in ("title", "summary", "obtained", "image_size"):
            if not getattr(cls, declared, None):
                raise UserError(
                    f"{cls.__name__} has no `{declared}`: declare it in the class (kdcore/data/datasets/base.py)."
                )
        if not 8 <= cls.image_size <= 1024:
            raise UserError(f"`image_size` of {cls.__name__} is {cls.image_size}; 8 to 1024 pixels were expected.")
        if unknown := sorted(cls.own_keys - DataRecipe.model_fields.keys()):
            raise UserError(f"`own_keys` of {cls.__name__} has {unknown[0]!r}, which is no setting of a recipe's data.")
        if cls.obtained != "folder":
            cls._check_pools(module.__name__.rpartition(".")[2])

    @classmethod
    def _check_pools(cls, name: str) -> None:
        whole = cls(DataRecipe(name=name))
        if not isinstance(whole.classes, tuple) or not all(isinstance(each, str) for each in whole.classes):
            raise UserError(
                f"`classes` of {cls.__name__} is {shortened(whole.classes)}; a tuple of names was expected."
            )
        if len(whole.classes) < 2 or len(set(whole.classes)) < len(whole.classes):
            raise UserError(
                f"{cls.__name__} has the classes {whole.classes}; two or more different names were expected."
            )
        if not {"train", "test"} <= set(whole.pools):
            raise UserError(
                f"{cls.__name__} has the pools {', '.join(whole.pools) or 'none'}; train and test were expected."
            )
        for pool in cls.counts:
            if (found := len(whole.planned_targets(pool))) != cls.counts[pool]:
                raise UserError(
                    f"`counts` of {cls.__name__} has {cls.counts[pool]} images in {pool}, but there are {found} targets: give one "
                    "for each image."
                )

    @property
    def classes(self) -> tuple[str, ...]:
        raise NotImplementedError

    @property
    def pools(self) -> tuple[str, ...]:
        return tuple(self.counts)

    def targets(self, pool: str) -> np.ndarray:
        raise NotImplementedError

    def planned_targets(self, pool: str) -> np.ndarray:
        return self.targets(pool)

    def unreadable(self, pool: str, places: np.ndarray) -> np.ndarray:
        return np.zeros(len(places), dtype=np.bool_)

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        raise NotImplementedError

    def identity(self, pool: str, places: np.ndarray) -> bytes | None:
        return None

    def check(self) -> None:
        """Refuse settings that cannot work, as far as that is known without reading anything. Raises UserError."""

    def to_draw(self, size: int) -> tuple[str, ...]:
        """The pools whose images would be drawn before the first can be read at this size: none where they are cached."""
        return ()

    def missing(self) -> str:
        """The sentence about images that would have to be downloaded; empty where nothing is. Reads nothing."""
        return ""

    def source_url(self) -> str:
        """Where missing images would be downloaded from; empty where nothing is."""
        return ""

    def class_count(self) -> int | None:
        """How many classes there are; None where that is not known yet."""
        return len(self.classes)

    def notes(self) -> tuple[str, ...]:
        """Sentences about the dataset's own settings, for the summary of a run, where they follow one about its training images."""
        return ()


class Progress:
    """Reports how far a long task is, every few seconds at most, and its end; a short one reports nothing.

    Called with what is done so far; raises Interrupted where the run was stopped.
    """

    def __init__(self, what: str, total: int, report: Report, seconds: float = 2.0) -> None:
        self.what, self.total, self.report, self.seconds = what, total, report, seconds
        self.last = time.monotonic()
        self.reported = False

    def __call__(self, done: int) -> None:
        interruption.check()
        if (now := time.monotonic()) - self.last >= self.seconds or (self.reported and done >= self.total):
            self.last, self.reported = now, True
            self.report(f"{self.what}: {100 * done / self.total:.0f} %")
