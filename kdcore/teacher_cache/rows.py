"""An image's answer as one row of half-precision numbers, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

BITS = 15  # the largest number of a tensor is brought below 2 ** 15, where half precision ends at 65504
LEAST = -100  # exponent; what is smaller than 2 ** -85 is nothing


@dataclass(frozen=True)
class Layout:
    """Where each tensor lies in a row: first an exponent a tensor, then their numbers, maps with their channels last.

    Half precision has 11 bits, so a number comes back to within 1 / 2048 of itself. Its range is small, so each tensor of
    each image is multiplied by a power of two: neither large activations nor small ones are lost.

    shapes: name -> shape without the batch, as it lies in the row.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Layout":
        return cls({name: tuple(_channels_last(tensor).shape[1:]) for name, tensor in tensors.items()})

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return len(self.shapes) + sum(prod(shape) for shape in self.shapes.values())

    @property
    def row_bytes(self) -> int:
        """An image's on disk, with its checksum."""
        return 2 * self.width + 4

    def pack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Tensors [B, ...] -> rows [B, width] in float16, on their device."""
        exponents, numbers = [], []
        for name in self.shapes:
            flat = _channels_last(tensors[name]).flatten(1).float()
            exponent = (torch.frexp(flat.abs().amax(dim=1, keepdim=True)).exponent - BITS).clamp(min=LEAST)
            exponents.append(exponent.half())
            numbers.append((flat * torch.exp2(-exponent.float())).half())
        return torch.cat([*exponents, *numbers], dim=1)

    def unpack(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows [B, width] -> tensors [B, ...] in float32."""
        scales = torch.exp2(rows[:, : len(self.shapes)].float())
        found, start = {}, len(self.shapes)
        for place, (name, shape) in enumerate(self.shapes.items()):
            end = start + prod(shape)
            tensor = (rows[:, start:end].float() * scales[:, place, None]).view(-1, *shape)
            found[name] = tensor.permute(0, 3, 1, 2) if len(shape) == 3 else tensor
            start = end
        return found


def _channels_last(tensor: Tensor) -> Tensor:
    """A map [B, C, H, W] as [B, H, W, C], the way it lies in memory; others as they are."""
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor
