"""Some classes of a dataset, in the order of `data.only`; two of them make a two-class task."""

import difflib
import unicodedata
from collections.abc import Sequence

import numpy as np

from kdcore.data.datasets.base import Images, Source
from kdcore.errors import UserError


class ClassSubset:
    """A `Source` with some of the classes of another; class k is the k-th of `names`."""

    def __init__(self, source: Source, names: Sequence[str]) -> None:
        names = [unicodedata.normalize("NFC", name) for name in names]  # as classes are named
        for name in names:
            if name not in source.classes:
                near = difflib.get_close_matches(name, source.classes, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise UserError(
                    f"`data.only` names {name!r}, which is not a class of this dataset.{hint} Its classes: {', '.join(source.classes)}."
                )
        if len(set(names)) < max(2, len(names)):
            raise UserError(f"`data.only` must name two or more different classes, not {', '.join(names) or 'none'}.")
        self.source = source
        self.classes = tuple(names)

    @property
    def pools(self) -> tuple[str, ...]:
        return self.source.pools

    def targets(self, pool: str) -> np.ndarray:
        return self._renumbered(self.source.targets(pool))

    def planned_targets(self, pool: str) -> np.ndarray:
        return self._renumbered(self.source.planned_targets(pool))

    def unreadable(self, pool: str, places: np.ndarray) -> np.ndarray:
        whole = self.source.planned_targets(pool)
        return self.source.unreadable(pool, np.flatnonzero(self._is_used(whole))[places])

    @property
    def keeps_shapes(self) -> bool:
        return getattr(self.source, "keeps_shapes", False)

    def read(self, pool: str, places: np.ndarray, size: int, **how: bool) -> Images:
        return self.source.read(pool, self.places(pool)[places], size, **how)

    def identity(self, pool: str, places: np.ndarray) -> bytes | None:
        return self.source.identity(pool, self.places(pool)[places])

    def places(self, pool: str) -> np.ndarray:
        """The places in the whole dataset's pool of the images that are used."""
        return np.flatnonzero(self._is_used(self.source.targets(pool)))

    def _is_used(self, targets: np.ndarray) -> np.ndarray:
        return np.isin(targets, [self.source.classes.index(name) for name in self.classes])

    def _renumbered(self, targets: np.ndarray) -> np.ndarray:
        numbers = np.full(len(self.source.classes), -1, dtype=np.int64)
        numbers[[self.source.classes.index(name) for name in self.classes]] = np.arange(len(self.classes))
        return numbers[targets[self._is_used(targets)]]
