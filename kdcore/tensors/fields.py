"""What of a network's answer is read: the tensors that have to be kept of a teacher that is not asked again."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.tensors.energy import energy
from kdcore.tensors.outputs import Outputs

SEVERAL = ("features", "attention")  # the fields of Outputs that hold a map for each layer


@dataclass(frozen=True)
class Read:
    """One field of an answer, whole or reduced to what a loss makes of it.

    output: the field of `Outputs`.
    layer: which map of `features` or `attention`, negative from the end; None: every one.
    grid: [H, W] that the maps are pooled to, where only the pooled ones are read.
    power: where only the energy of a map is read, mean |x|^power over its channels or heads. One channel is kept that has
        the same energy, [B, 1, H, W], so that a loss finds the same in what is kept as in the whole. Attention is never
        negative, so 1 is the mean over its heads.
    """

    output: str
    layer: int | None = None
    grid: tuple[int, int] | None = None
    power: float | None = None


Places = dict[str, Read]  # "logits", "features.2", ... -> how it is kept


def places(said: Outputs, reads: Iterable[Read]) -> Places:
    """Where in an answer each thing that is read lies. A map that is reduced in two ways is kept whole."""
    found: Places = {}
    for read in reads:
        layers: Iterable[int | None] = [read.layer]
        if read.output in SEVERAL:
            count = len(getattr(said, read.output))
            layers = range(count) if read.layer is None else [read.layer % count] if count else []
        elif getattr(said, read.output) is None:
            layers = []
        for layer in layers:
            name = read.output if layer is None else f"{read.output}.{layer}"
            wanted = dataclasses.replace(read, layer=layer)
            found[name] = wanted if found.get(name, wanted) == wanted else Read(read.output, layer)
    return dict(sorted(found.items()))


def taken(said: Outputs, kept: Places) -> dict[str, Tensor]:
    """The tensors at these places, reduced where that is enough: name -> [B, ...]."""
    return {name: _reduced(_at(said, read), read) for name, read in kept.items()}


def put_back(tensors: dict[str, Tensor], like: Outputs) -> Outputs:
    """An answer with these tensors in their places. What was not kept is there without numbers (on the meta device), so
    that whoever reads it all the same fails.

    Args:
        like: an answer of the same network, for how many maps it has.
    """

    def field(name: str) -> Tensor | tuple[Tensor, ...] | None:
        if name in SEVERAL:
            return tuple(_or_nothing(tensors.get(f"{name}.{layer}")) for layer in range(len(getattr(like, name))))
        return tensors.get(name) if name not in ("logits", "pooled") else _or_nothing(tensors.get(name))

    return Outputs(**{each.name: field(each.name) for each in dataclasses.fields(Outputs)})  # type: ignore[arg-type]


def _or_nothing(tensor: Tensor | None) -> Tensor:
    return torch.empty(0, device="meta") if tensor is None else tensor


def _at(said: Outputs, read: Read) -> Tensor:
    value = getattr(said, read.output)
    tensor: Tensor = value if read.layer is None else value[read.layer]
    return tensor


def _reduced(tensor: Tensor, read: Read) -> Tensor:
    if read.grid and tuple(tensor.shape[2:]) != read.grid:
        tensor = F.adaptive_avg_pool2d(tensor, read.grid)
    if read.power is None:
        return tensor
    return energy(tensor, power=read.power).pow(1 / read.power).unsqueeze(1)
