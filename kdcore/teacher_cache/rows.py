"""The tensors of one image as a row of half-precision numbers, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

BITS = 15  # the largest number of a tensor is scaled below 2 ** 15; half precision ends at 65504
LEAST = -100  # exponent; numbers below 2 ** -85 become 0


@dataclass(frozen=True)
class Layout:
    """Where each tensor is in a row: first one exponent per tensor, then their numbers, maps with channels last.

    Half precision has 11 bits, so a number comes back to within 1 / 2048 of itself. Its range is small, so each tensor of
    each image is scaled by a power of two, which preserves large and small activations.

    shapes: name -> shape without the batch, in the order of the row.
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
        """Bytes of one image on disk, with its checksum."""
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
    """A map [B, C, H, W] as [B, H, W, C], its order in memory; other tensors unchanged."""
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor
