"""A limit on the index lists of Torch-Pruning's dependency graph.

Where the reshapes of a network form a loop, the library multiplies the indices of a group each time it comes round, without end: timm's
`test_coatnet` is one.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

MOST_INDICES = 5_000_000  # of one group, over all edges
Mapping = Callable[[list[Any]], list[Any]]


class TooManyIndices(RuntimeError):
    """A group grows without end."""


class Bounded:
    """Counts the indices of the group that is being collected, on all edges of a graph."""

    def __init__(self, graph: Any) -> None:
        self._left = MOST_INDICES
        for node in graph.module2node.values():
            for edge in node.dependencies:
                edge.index_mapping = _Mappings(edge.index_mapping, self._counted)

    def restart(self) -> None:
        """Begin with another group."""
        self._left = MOST_INDICES

    def _counted(self, mapping: Mapping, indices: list[Any]) -> list[Any]:
        self._left -= len(indices) * growth(mapping)
        if self._left < 0:
            raise TooManyIndices("the dependencies between its reshaped tensors do not end")
        return mapping(indices)


def growth(mapping: Mapping) -> int:
    """How many indices a mapping makes of one: the length of what a channel is flattened to."""
    return 1 if getattr(mapping, "reverse", False) else int(getattr(mapping, "_stride", 1))


class _Mappings(list[Any]):
    """The mappings of an edge, which the library sets by place and applies by iteration."""

    def __init__(self, mappings: Iterable[Any], counted: Callable[[Mapping, list[Any]], list[Any]]) -> None:
        super().__init__(mappings)
        self._counted_by = counted

    def __iter__(self) -> Iterator[Any]:
        for mapping in super().__iter__():
            yield mapping if mapping is None else partial(self._counted_by, mapping)
