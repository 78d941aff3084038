"""Parts of a network's outputs: which ones a loss uses, reduced as far as it allows, so that only these are cached."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.tensors.energy import energy
from kdcore.tensors.outputs import Outputs

SEVERAL = ("features", "attention")  # the fields of Outputs with one map per layer


@dataclass(frozen=True)
class OutputPart:
    """One field of the outputs, complete or reduced to what a loss computes from it.

    output: the field of `Outputs`.
    layer: which map of `features` or `attention`, negative from the end; None for all of them.
    grid: [H, W] that the maps are pooled to, where only the pooled ones are used.
    power: where only the energy of a map is used, mean |x|^power over its channels or heads. One channel with the same
        energy is stored, [B, 1, H, W], so that a loss has the same value on it as on the complete map. Attention is never
        negative, so 1 is the mean over its heads.
    """

    output: str
    layer: int | None = None
    grid: tuple[int, int] | None = None
    power: float | None = None


Parts = dict[str, OutputPart]  # "logits", "features.2", ... -> how it is reduced


def parts_of(outputs: Outputs, used: Iterable[OutputPart]) -> Parts:
    """The used parts by name, one per tensor of the outputs. A map that two losses reduce differently stays complete."""
    parts: Parts = {}
    for part in used:
        layers: Iterable[int | None] = [part.layer]
        if part.output in SEVERAL:
            count = len(getattr(outputs, part.output))
            layers = range(count) if part.layer is None else [part.layer % count] if count else []
        elif getattr(outputs, part.output) is None:
            layers = []
        for layer in layers:
            name = part.output if layer is None else f"{part.output}.{layer}"
            own = dataclasses.replace(part, layer=layer)
            parts[name] = own if parts.get(name, own) == own else OutputPart(part.output, layer)
    return dict(sorted(parts.items()))


def extract(outputs: Outputs, parts: Parts) -> dict[str, Tensor]:
    """The tensors of these parts, reduced: name -> [B, ...]."""
    return {name: _reduced(_tensor(outputs, part), part) for name, part in parts.items()}


def restore(tensors: dict[str, Tensor], like: Outputs) -> Outputs:
    """Outputs made of these tensors. Fields that are not among them are on the meta device, so that using one fails.

    Args:
        like: outputs of the same network, for the number of maps.
    """

    def field(name: str) -> Tensor | tuple[Tensor, ...] | None:
        if name in SEVERAL:
            return tuple(_or_empty(tensors.get(f"{name}.{layer}")) for layer in range(len(getattr(like, name))))
        return tensors.get(name) if name not in ("logits", "pooled") else _or_empty(tensors.get(name))

    return Outputs(**{each.name: field(each.name) for each in dataclasses.fields(Outputs)})  # type: ignore[arg-type]


def _or_empty(tensor: Tensor | None) -> Tensor:
    return torch.empty(0, device="meta") if tensor is None else tensor


def _tensor(outputs: Outputs, part: OutputPart) -> Tensor:
    value = getattr(outputs, part.output)
    tensor: Tensor = value if part.layer is None else value[part.layer]
    return tensor


def _reduced(tensor: Tensor, part: OutputPart) -> Tensor:
    if part.grid and tuple(tensor.shape[2:]) != part.grid:
        tensor = F.adaptive_avg_pool2d(tensor, part.grid)
    if part.power is None:
        return tensor
    return energy(tensor, power=part.power).pow(1 / part.power).unsqueeze(1)
