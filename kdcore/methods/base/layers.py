"""Layers of student and teacher that a method compares: pairs of feature maps, and the grid on which maps meet."""

from torch import Tensor

from kdcore.errors import UserError
from kdcore.tensors.outputs import Shapes


def pairs_by_depth(student: Shapes, teacher: Shapes, *, at_most: int = 4) -> list[tuple[int, int]]:
    """[student, teacher] indices of feature maps at equal depth, as many as both have, counted from the last.

    For a CNN its last stages, as the first is often only a stem; for a ViT evenly spaced blocks.
    """
    count = min(len(student.features), len(teacher.features), at_most)

    def chosen(shapes: Shapes) -> list[int]:
        layers = len(shapes.features)
        if shapes.tokens:
            return [(run + 1) * layers // count - 1 for run in range(count)]
        return list(range(layers - count, layers))

    return list(zip(chosen(student), chosen(teacher), strict=True))


def check_pairs(pairs: list[tuple[int, int]], student: Shapes, teacher: Shapes) -> list[tuple[int, int]]:
    """A recipe's [student, teacher] indices of feature maps, negative ones counted from the end. Raises UserError."""
    for pair in pairs:
        for index, who, shapes in zip(pair, ("student", "teacher"), (student, teacher), strict=True):
            count = len(shapes.features)
            if not -count <= index < count:
                raise UserError(
                    f"the {who} has {count} feature maps, so there is no number {index}: use 0 to {count - 1}, "
                    "or -1, -2, ... from the end."
                )
    return [(s % len(student.features), t % len(teacher.features)) for s, t in pairs]


def coarser_grid(one: Tensor, other: Tensor) -> tuple[int, int]:
    """The coarser grid [H, W] of two maps [B, C, H, W], to which both can be pooled."""
    return min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
