"""A limit on the index lists of Torch-Pruning's dependency graph.

Where the reshapes of a network form a loop, the library multiplies the indices of a group each time it comes round, without end: timm's
`test_coatnet` is one. Where blocks add some channels of their input (`rexnet_100`), it meets each layer with ever other parts of them.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

MOST_INDICES = 5_000_000  # of one group, over all edges
MOST_VISITS = 20_000  # of edges, for one group; `mobilevitv2_050` has 15,335. The time grows with the square
Mapping = Callable[[list[Any]], list[Any]]


class TooManyIndices(RuntimeError):
    """A group grows without end."""


class Bounded:
    """Counts the indices of the group that is being collected, on all edges of a graph."""

    def __init__(self, graph: Any) -> None:
        self.restart()
        for node in graph.module2node.values():
            for edge in node.dependencies:
                edge.index_mapping = _Mappings(edge.index_mapping, self._visited, self._counted)

    def restart(self) -> None:
        """Begin with another group."""
        self._left, self._visits = MOST_INDICES, 0

    def _visited(self) -> None:
        self._visits += 1
        if self._visits > MOST_VISITS:
            raise TooManyIndices("its layers share channels in too many ways")

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

    def __init__(
        self, mappings: Iterable[Any], visited: Callable[[], None], counted: Callable[[Mapping, list[Any]], list[Any]]
    ) -> None:
        super().__init__(mappings)
        self._visited = visited
        self._counted_by = counted

    def __iter__(self) -> Iterator[Any]:
        self._visited()
        for mapping in super().__iter__():
            yield mapping if mapping is None else partial(self._counted_by, mapping)
