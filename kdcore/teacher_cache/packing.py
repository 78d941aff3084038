"""Teacher outputs as rows of numbers, as far as the terms use them, and back."""

from collections.abc import Sequence

from torch import Tensor

from kdcore.methods.base import Method
from kdcore.models.teacher import Teacher
from kdcore.teacher_cache.rows import Layout
from kdcore.tensors.fields import OutputPart, extract, parts_of, restore
from kdcore.tensors.outputs import Outputs


class OutputRows:
    """A teacher whose outputs are rows of numbers.

    parts: what the terms use of the outputs. layout: where each of these tensors is in a row.
    """

    def __init__(self, teacher: Teacher, terms: Sequence[Method], image: Tensor) -> None:
        """
        Args:
            image: [1, 3, H, W] in [0, 1], for the shapes of the outputs.
        """
        used = frozenset[OutputPart]().union(*(term.used_outputs() for term in terms if term.uses_teacher))
        self._teacher, self._needs = teacher, frozenset(part.output for part in used)
        self._like = teacher(image, self._needs)
        self.parts = parts_of(self._like, used)
        self.layout = Layout.of(extract(self._like, self.parts))

    def compute(self, images: Tensor) -> Tensor:
        """Run the teacher: images [B, 3, H, W] -> rows [B, width]."""
        return self.layout.pack(extract(self._teacher(images, self._needs), self.parts))

    def unpack(self, rows: Tensor) -> Outputs:
        """Rows [B, width] -> outputs in float32, with the used parts only."""
        return restore(self.layout.unpack(rows), self._like)


def row_bytes(teacher: Teacher, terms: Sequence[Method], image: Tensor) -> int | None:
    """The bytes on disk for one image; None where outputs cannot be cached, or no term uses the teacher.

    Args:
        image: as for `OutputRows`.
    """
    if any(term.has_views for term in terms) or not any(term.uses_teacher for term in terms):
        return None
    return OutputRows(teacher, terms, image).layout.row_bytes
