"""How many channels each group keeps, so that a network has a share of its multiply-accumulates (MACs).

Every group loses the same share of its channels, so all scores lead to networks of the same shape: what differs is which channels
are left.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.explain.reading.hooks import Hook, hooked
from kdcore.models import Tapped, flops, in_eval, pruned
from kdcore.pruning import heads
from kdcore.pruning.dependencies import Group


@dataclass(frozen=True)
class Work:
    """The MACs of one image in a layer, with its outputs and inputs.

    depthwise: each output is made of its own input alone, as in depthwise convolutions and between queries, keys and values of a head.
    """

    macs: int
    outputs: int
    inputs: int
    depthwise: bool = False


class Budget:
    """The MACs of a network as a function of how many channels each group keeps."""

    def __init__(self, model: Tapped, groups: Sequence[Group]) -> None:
        self.groups = groups
        self.layers = layers_of(model)
        self.whole = flops(model) // 2
        self._elsewhere = self.whole - sum(work.macs for work in self.layers.values())

    def macs(self, kept: Sequence[int]) -> int:
        """MACs of one image where the groups keep so many channels."""
        outputs = {name: float(work.outputs) for name, work in self.layers.items()}
        inputs = {name: float(work.inputs) for name, work in self.layers.items()}
        for group, count in zip(self.groups, kept, strict=True):
            for name, share in group.outputs.items():
                if name in outputs:
                    outputs[name] -= share * (group.count - count)
            for name, share in group.inputs.items():
                if name in inputs:
                    inputs[name] -= share * (group.count - count)
        total = float(self._elsewhere)
        for name, work in self.layers.items():
            share = outputs[name] / work.outputs
            total += work.macs * (share if work.depthwise else share * inputs[name] / work.inputs)
        return round(total)

    def kept(self, to: float, name: str) -> list[int]:
        """The most channels for each group with which the network has at most a share `to` of its MACs.

        Raises:
            UserError: even a single channel in each group is more.
        """
        ratios = sorted({gone / group.count for group in self.groups for gone in range(group.count)})
        enough = bisect_left(ratios, True, key=lambda ratio: self.macs(self._at(ratio)) <= to * self.whole)
        if enough == len(ratios):
            least = math.ceil(1000 * self.macs(self._at(ratios[-1])) / self.whole) / 10
            instead = (
                f"Give a share from {least / 100:.3g} on." if least < 99 else "Prune a CNN with BatchNorm, or a ViT."
            )
            raise UserError(
                f"{name} cannot be pruned to {100 * to:g} % of its MACs: with a single channel or head in each group that can be narrowed, it "
                f"still has {least:g} %; its other layers, such as the embedding of a transformer, are not pruned. {instead}"
            )
        return self._with_more_heads(self._at(ratios[enough]), self._at(ratios[max(0, enough - 1)]), to * self.whole)

    def _with_more_heads(self, kept: list[int], more: Sequence[int], macs: float) -> list[int]:
        """The last head that went in every layer stays in as many of them, from the first on, as the MACs allow."""
        for place, group in enumerate(self.groups):
            if group.attention is not None and more[place] > kept[place]:
                tried = [*kept[:place], more[place], *kept[place + 1 :]]
                kept = tried if self.macs(tried) <= macs else kept
        return kept

    def _at(self, ratio: float) -> list[int]:
        """Every group without this share of its channels, rounded down, but with one at least."""
        return [max(1, group.count - math.floor(ratio * group.count + 1e-9)) for group in self.groups]


def layers_of(model: Tapped) -> dict[str, Work]:
    """The MACs of one image in each convolution and linear layer, and between the tokens of attention, by the layers' names."""
    found: dict[str, Work] = {}
    names = {layer: name for name, layer in model.net.named_modules()}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs, into = pruned.channels(layer)
        depthwise = pruned.is_depthwise(layer)
        filters = layer.weight[0].numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 0
        before = found[names[layer]].macs if names[layer] in found else 0  # of a layer that is used twice
        found[names[layer]] = Work(before + output.numel() * filters, outputs, into, depthwise)

    def note_attention(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        attention = between[names[layer]]
        before = found[names[layer]].macs if names[layer] in found else 0
        count, tokens = inputs[0].shape[:2]
        macs = before + count * heads.macs(attention, tokens)
        found[names[layer]] = Work(macs, attention.num_heads, attention.num_heads, depthwise=True)

    between = heads.attentions(model.net)
    counted = [(layer, note) for layer in names if isinstance(layer, nn.Conv2d | nn.Linear)]
    side = model.image_size
    hooks: list[Hook] = [*counted, *((layer, note_attention) for layer in between.values())]
    with hooked(hooks), in_eval(model), torch.no_grad():
        model(torch.rand(1, 3, side, side, device=model.mean.device))
    return found
