"""Scores of channels: which of a layer's channels are kept. Attention-guided, by energy, by magnitude, or at random.

Attention-guided: a channel c is worth what it brings into the layers that read it, at the places where the teacher looks,

    s_c = mean over readers r of  e_rc / sum_j e_rj,     e_rc = ||W_rc||^2  sum_n sum_x a_n(x) F_nc(x)^2

F_nc(x) is what reader r receives of channel c for image n at place x (after BatchNorm and activation), W_rc the reader's weights
for it, and a_n the teacher's heatmap for the image, brought to the grid of F and divided by its mean. So

- a heatmap that is the same everywhere has a = 1 and leaves the plain energy of the channel: the score `energy`, which differs from
  `attention` in nothing but the teacher;
- of two channels of equal energy the one that fires where the teacher looks is kept;
- scaling a channel up and its readers' weights down, which changes no output, changes no score;
- a reader with large numbers counts no more than another: each contributes shares that sum to 1.

Hidden units of an MLP are channels too, and so are attention heads, of which each carries the energy of its d inputs of `proj`: the
places are the patches. Tokens without a place, such as the class token, have a = 1.

Weights times the size of activations, without the teacher: Wanda (Sun et al., ICLR 2024, https://arxiv.org/abs/2306.11695).
"""

import math
from collections.abc import Callable, Sequence, Set
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.explain.reading.hooks import Hook, hooked, left_as_it_was
from kdcore.models import Tapped
from kdcore.models.taps import classifiers
from kdcore.pruning import heads
from kdcore.pruning.dependencies import Group, torch_pruning

Score = Literal["attention", "energy", "magnitude", "random"]
SCORES: tuple[Score, ...] = get_args(Score)
BATCH = 64
Grid = tuple[int, int]
Looks = Callable[[Tensor], Tensor]  # images [B, 3, H, W] -> heatmaps [B, h, w], not below 0


def by_energy(model: Tapped, groups: Sequence[Group], images: Tensor, looks: Looks | None = None) -> list[Tensor]:
    """`attention` with the teacher's heatmaps, or `energy` without: for each group the shares [count] of its channels.

    Args:
        images: [n, 3, H, W], uint8, or floats in [0, 1].
    """
    energies = received(model, {reader.layer for group in groups for reader in group.readers}, images, looks)
    return [shares(group, energies, squared_weights(model.net, group)) for group in groups]


def by_magnitude(groups: Sequence[Group]) -> list[Tensor]:
    """The mean squared norm of a channel's weights in all layers of its group, as Torch-Pruning has it (DepGraph)."""
    importance = torch_pruning().importance.GroupMagnitudeImportance(p=2)
    return [
        heads.magnitudes(group.attention) if group.attention else importance(group.library).detach().cpu()
        for group in groups
    ]


def at_random(groups: Sequence[Group], seed: int) -> list[Tensor]:
    """Random numbers, as Torch-Pruning has them; the same from the same seed."""
    importance = torch_pruning().importance.RandomImportance()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [torch.rand(group.count) if group.attention else importance(group.library).cpu() for group in groups]


def shares(group: Group, energies: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
    """s_c of the module's docstring, float64 [count].

    Args:
        energies: layer -> the energy of each of its inputs, [I].
        weights: layer -> the squared norm of its weights for each of its inputs, [I].
    """
    found = torch.zeros(group.count, dtype=torch.float64)
    for reader in group.readers:
        carried = energies[reader.layer] * weights[reader.layer]
        total = carried.sum()
        found.index_add_(0, reader.channels, (carried / total if total > 0 else carried)[reader.inputs])
    return found / max(len(group.readers), 1)


def squared_weights(net: nn.Module, group: Group) -> dict[str, Tensor]:
    """Reader -> the squared norm of its weights for each of its inputs, float64 [I]."""
    found = {}
    for reader in group.readers:
        weight = net.get_parameter(f"{reader.layer}.weight").detach().cpu().double()
        found[reader.layer] = weight.square().transpose(0, 1).flatten(1).sum(dim=1)
    return found


def received(model: Tapped, layers: set[str], images: Tensor, looks: Looks | None) -> dict[str, Tensor]:
    """The energy of the inputs of some layers over images, float64 [I] each; weighted by heatmaps where `looks` gives them."""
    named = dict(model.net.named_modules())
    grids = {(height, width) for _, height, width in model.shapes().features}
    meters = {name: _Meter(model.prefix_tokens, grids) for name in layers}
    last = {name for name in layers if named[name] in classifiers(model.net)} if model.shapes().dense else set()
    hooks: list[Hook] = [(named[name], meter) for name, meter in meters.items() if name not in last]
    needs = frozenset({"logits", "features"})
    for part in images.split(BATCH):
        batch = resized(part.to(model.mean.device), model.image_size)
        heatmaps = looks(batch) if looks else None
        for meter in meters.values():
            meter.heatmaps = heatmaps
        with left_as_it_was(model), hooked(hooks, before=True), torch.no_grad():
            outputs = model(batch, needs)
            for name in last:  # its inputs are means over the last map: the map has the places
                meters[name].add(outputs.features[-1])
    return {name: meter.energy for name, meter in meters.items()}


def energy_where(maps: Tensor, heatmaps: Tensor | None) -> Tensor:
    """sum_n sum_x a_n(x) F_nc(x)^2, float64 [C].

    Args:
        maps: F, [B, C, H, W], or [B, C] or [B, C, n], which have no places; neither do those of which an image has several, as where
            MobileViT takes patches apart.
        heatmaps: [B, h, w]; None for a = 1.
    """
    maps = maps.detach().cpu() if maps.is_mps else maps.detach()  # which has no float64
    squares = maps.double().square()
    if heatmaps is None or squares.dim() != 4 or len(squares) != len(heatmaps):
        return squares.flatten(2).sum(dim=(0, 2)) if squares.dim() > 2 else squares.sum(dim=0)
    weights = on_grid(heatmaps.to(squares.device), (squares.shape[2], squares.shape[3]))
    return torch.einsum("nhw,nchw->c", weights, squares)


def channels_first(inputs: Tensor, prefix_tokens: int, grids: Set[Grid]) -> tuple[Tensor, ...]:
    """What a linear layer receives, as `energy_where` takes it: a map of the patches, and what has no place.

    Args:
        inputs: [B, C], tokens [B, N, C], or a map [B, H, W, C].
        prefix_tokens: how many of the tokens come before the patches, without a place.
        grids: height and width of the network's maps. Tokens that fill none of them have no places.
    """
    first = inputs.movedim(-1, 1)
    if first.dim() != 3:
        return (first,)
    for grid in sorted(grids):
        if prefix_tokens + math.prod(grid) == first.shape[2]:
            return first[:, :, :prefix_tokens], first[:, :, prefix_tokens:].unflatten(2, grid)
    return (first,)


def on_grid(heatmaps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Heatmaps [B, h, w] on another grid [B, H, W], each divided by its mean; 1 everywhere for one that is 0 everywhere."""
    there = F.interpolate(heatmaps.double().unsqueeze(1), grid, mode="bilinear", antialias=True).squeeze(1).clamp_min(0)
    mean = there.mean(dim=(1, 2), keepdim=True)
    return torch.where(mean > 0, there / mean.clamp_min(torch.finfo(mean.dtype).tiny), torch.ones_like(there))


def resized(images: Tensor, side: int) -> Tensor:
    """Images as floats in [0, 1] of `side` pixels."""
    floats = images.float() / 255 if images.dtype == torch.uint8 else images
    if floats.shape[-1] == side:
        return floats
    return F.interpolate(floats, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


class _Meter:
    """A hook that adds up the energy of a layer's inputs."""

    def __init__(self, prefix_tokens: int, grids: Set[Grid]) -> None:
        self.energy = torch.zeros(())
        self.heatmaps: Tensor | None = None
        self._prefix_tokens, self._grids = prefix_tokens, grids

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = isinstance(layer, nn.Linear)
        for maps in channels_first(inputs[0], self._prefix_tokens, self._grids) if rows else inputs[:1]:
            self.add(maps)

    def add(self, maps: Tensor) -> None:
        self.energy = self.energy + energy_where(maps, self.heatmaps).cpu()
