"""What the terms read of a teacher's answer, as rows of numbers and back."""

from collections.abc import Sequence

from torch import Tensor

from kdcore.methods.base import Method
from kdcore.models.teacher import Teacher
from kdcore.teacher_cache.rows import Layout
from kdcore.tensors.fields import Read, places, put_back, taken
from kdcore.tensors.outputs import Outputs


class Answers:
    """A teacher that answers in rows."""

    def __init__(self, teacher: Teacher, terms: Sequence[Method], image: Tensor) -> None:
        """
        Args:
            image: [1, 3, H, W] in [0, 1], to see what an answer has.
        """
        reads = frozenset[Read]().union(*(term.reads() for term in terms if term.uses_teacher))
        self._teacher, self._needs = teacher, frozenset(read.output for read in reads)
        self._like = teacher(image, self._needs)
        self.kept = places(self._like, reads)
        self.layout = Layout.of(taken(self._like, self.kept))

    def ask(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> rows [B, width]."""
        return self.layout.pack(taken(self._teacher(images, self._needs), self.kept))

    def unpack(self, rows: Tensor) -> Outputs:
        """Rows [B, width] -> the answer in float32, as far as it is read."""
        return put_back(self.layout.unpack(rows), self._like)


def row_bytes(teacher: Teacher, terms: Sequence[Method], image: Tensor) -> int | None:
    """What an image's answer takes on disk for these terms; None where it cannot be kept, or none of them reads it.

    Args:
        image: as for `Answers`.
    """
    if any(term.has_views for term in terms) or not any(term.uses_teacher for term in terms):
        return None
    return Answers(teacher, terms, image).layout.row_bytes
